"""Moments for ONNX, run by onnxruntime."""

import sys

import keras
import numpy as np
import pytest

import bnn
from bnn.likelihoods import Categorical
from bnn.predictive import propagate


def dense(activation):
    return [bnn.layers.Dense(300, "relu"), bnn.layers.Dense(20, activation)]


def convolutions():
    first = bnn.layers.Conv2D(4, 3, activation="relu")
    return [first, keras.layers.MaxPooling2D(2), keras.layers.Flatten()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "layers"),
    [((9,), lambda: dense("tanh")), ((8, 8, 1), convolutions)],
    ids=["dense", "convolutions"],
)
def test_mean_and_variance_are_those_of_propagate(tmp_path, rng, shape, layers):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = keras.Sequential([keras.Input(shape), *layers(), bnn.layers.Dense(3)])
    path = tmp_path / "moments.onnx"
    bnn.export_moments(model, path, Categorical())
    x = rng.normal(size=(5, *shape)).astype(np.float32)
    session = runtime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    answer = dict(zip(names, session.run(None, {"inputs": x}), strict=True))
    known = propagate(model, x)
    np.testing.assert_allclose(answer["mean"], known.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(answer["variance"], known.variance, rtol=1e-4, atol=1e-7)
    assert [file.name for file in tmp_path.iterdir()] == ["moments.onnx"]
    with pytest.raises(FileExistsError):
        bnn.export_moments(model, path, Categorical())


@pytest.mark.slow
def test_an_operation_that_onnx_has_not_is_named(tmp_path):
    pytest.importorskip("tf2onnx")
    model = keras.Sequential([keras.Input((9,)), *dense("gelu"), bnn.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"or end in \.tflite for this model: ONNX has no Erfc"):
        bnn.export_moments(model, tmp_path / "moments.onnx", Categorical())
    assert not list(tmp_path.iterdir())


def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(3)])
    with pytest.raises(ImportError, match=r"pip install 'bnn\[onnx\]'"):
        bnn.export_moments(model, tmp_path / "moments.onnx", Categorical())
