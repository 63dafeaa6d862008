"""An exported model predicts in a process that has TensorFlow alone, with the same bits."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical, Normal
from bnn.predictive import propagate
from bnn.predictive.pruned import PrunedDraws

ALONE = """
import sys
import numpy as np
import tensorflow as tf

folder, given, answers = sys.argv[1:]
model = tf.saved_model.load(folder)
said = {}
with np.load(given) as x:
    inputs = {name: tf.constant(x[name]) for name in x.files}
seed = tf.constant(7, tf.int64)
sample = model.signatures["sample"](**inputs, seed=seed, first=tf.constant(1), count=tf.constant(4))
said["outputs"] = sample["outputs"].numpy()
predict = model.signatures["predict"](**inputs, seed=seed, num_samples=tf.constant(5))
said |= {name: value.numpy() for name, value in predict.items()}
# What a client of TensorFlow Serving sends: inputs alone, by their names.
serving = model.signatures["serving_default"]
assert set(serving.structured_input_signature[1]) == set(inputs)
assert set(serving.structured_outputs) == set(predict)
said |= {f"served {name}": value.numpy() for name, value in serving(**inputs).items()}
np.savez(answers, **said)
others = [name for name in sys.modules if name.partition(".")[0] in ("bnn", "keras", "tf_keras")]
assert not [name for name in others if name.startswith("bnn")], others
"""


def alone(folder, tmp_path, **inputs):
    """What the exported model says in a process of its own."""
    given, answers = tmp_path / "given.npz", tmp_path / "answers.npz"
    np.savez(given, **inputs)
    command = [sys.executable, "-c", textwrap.dedent(ALONE), str(folder), str(given), str(answers)]
    # Without the place of bnn; with TensorFlow's own switches, which choose its kernels.
    own = {name: value for name, value in os.environ.items() if name.startswith("TF_")}
    subprocess.run(command, check=True, cwd=tmp_path, env={**own, "TF_CPP_MIN_LOG_LEVEL": "3"})
    with np.load(answers) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.slow
@pytest.mark.parametrize("rows", [3, 40])
def test_a_classifier_without_bnn(tmp_path, rng, rows):
    """Convolution, mean-field and low-rank, of the bits of `bnn.predict`; classes."""
    inputs = keras.Input((8, 8, 1))
    hidden = bnn.layers.Conv2D(4, 3, activation="relu")(inputs)
    hidden = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(hidden))
    low_rank = bnn.posteriors.LowRankNormal(rank=2)
    hidden = bnn.layers.Dense(200, activation="gelu", kernel_posterior=low_rank)(hidden)
    model = keras.Model(inputs, bnn.layers.Dense(3)(hidden))
    x = rng.normal(size=(rows, 8, 8, 1)).astype(np.float32)
    bnn.export(model, tmp_path / "exported", Categorical(), num_samples=5, seed=7)
    said = alone(tmp_path / "exported", tmp_path, inputs=x)
    samples = bnn.predict(model, x, 5, seed=7, jit_compile=False).numpy()
    np.testing.assert_array_equal(said["outputs"], samples[1:])
    ours = bnn.predictive(model, Categorical(), x, 5, seed=7, jit_compile=False)
    for name in ("mean", "total", "aleatoric", "epistemic"):
        np.testing.assert_allclose(said[name], getattr(ours, name), rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(said[f"served {name}"], said[name])


@pytest.mark.slow
def test_a_regression_of_two_inputs_without_bnn(tmp_path, rng):
    """Learned noise, units, intervals; a trained `BayesianModel` that is handed over whole."""
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    hidden = keras.layers.Concatenate()([left, right])
    network = keras.Model(
        {"left": left, "right": right},
        bnn.layers.Dense(1)(bnn.layers.Dense(20, activation="tanh")(hidden)),
    )
    bayesian = bnn.BayesianModel(network, Normal(0.3, trainable=True))
    units = {"loc": np.array([50.0]), "scale": np.array([4.0])}
    bnn.export(bayesian, tmp_path / "exported", level=0.8, **units)
    x = {"left": rng.normal(size=(6, 2)), "right": rng.normal(size=(6, 3))}
    x = {name: value.astype(np.float32) for name, value in x.items()}
    said = alone(tmp_path / "exported", tmp_path, **x)
    samples = bnn.predict(network, x, 5, seed=7, jit_compile=False).numpy()
    np.testing.assert_array_equal(said["outputs"], samples[1:])
    ours = bayesian.predictive(x, 5, seed=7, jit_compile=False, **units)
    np.testing.assert_allclose(said["mean"], ours.mean, rtol=1e-12)
    np.testing.assert_allclose(said["total"], ours.total, rtol=1e-9)
    lower, upper = ours.interval(0.8)
    np.testing.assert_allclose(said["lower"], lower, rtol=1e-9)
    np.testing.assert_allclose(said["upper"], upper, rtol=1e-9)
    served = bayesian.predictive(x, 32, seed=0, jit_compile=False, **units)
    np.testing.assert_allclose(said["served mean"], served.mean, rtol=1e-12)
    np.testing.assert_allclose(said["served lower"], served.interval(0.8)[0], rtol=1e-9)


def test_refusals_of_export(tmp_path):
    model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"likelihood must be a likelihood object, got None; pass"):
        bnn.export(model, tmp_path / "new")
    with pytest.raises(ValueError, match=r"level must lie strictly between 0 and 1, got 95"):
        bnn.export(model, tmp_path / "new", Normal(), level=95)
    with pytest.raises(FileExistsError, match=r"path must be a new folder, but .* exists"):
        bnn.export(model, tmp_path, Normal())
    with pytest.raises(ValueError, match=r"num_samples must be an integer of at least 1, got 0; a"):
        bnn.export(model, tmp_path / "new", Normal(), num_samples=0)
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"has nothing random; convert it with bnn.convert"):
        bnn.export(plain, tmp_path / "new", Normal())
    inputs = keras.Input((2,))
    several = keras.Model(inputs, [bnn.layers.Dense(1)(inputs), bnn.layers.Dense(1)(inputs)])
    with pytest.raises(ValueError, match=r"must have one output, got 2; export a model of each"):
        bnn.export(several, tmp_path / "new", Normal())

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match=r"does not say its inputs and outputs, got a subclassed"):
        bnn.export(Own(), tmp_path / "new", Normal())
    assert not list(tmp_path.iterdir())


def test_the_exported_samples_are_those_of_predict(tmp_path, rng):
    """Read in this process: bits, any number of rows and samples, the same seed."""
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2)])
    bnn.export(model, tmp_path / "exported", Normal(0.5))
    read = tf.saved_model.load(str(tmp_path / "exported"))
    x = rng.normal(size=(9, 3)).astype(np.float32)
    numbers = {"seed": tf.constant(-3, tf.int64), "first": tf.constant(2), "count": tf.constant(3)}
    outputs = read.signatures["sample"](inputs=tf.constant(x), **numbers)["outputs"]
    samples = bnn.predict(model, x, 5, seed=-3, jit_compile=False)
    np.testing.assert_array_equal(outputs, samples[2:])
    assert set(read.signatures) == {"sample", "predict", "serving_default"}


@pytest.mark.slow
def test_a_pruned_export_is_small(tmp_path, rng):
    """What is stored, and that it predicts as the model with the same weights taken out."""
    model = keras.Sequential(
        [keras.Input((50,)), bnn.layers.Dense(300, activation="relu"), bnn.layers.Dense(3)]
    )
    for site in bnn.sites(model).values():
        shape = site.posterior.shape
        scale = np.exp(rng.normal(-3, 1, size=shape)).astype(np.float32)
        site.posterior.initialise(0.1 * rng.normal(size=shape), scale)
    x = rng.normal(size=(4, 50)).astype(np.float32)
    bnn.export(model, tmp_path / "whole", Categorical())
    bnn.export(model, tmp_path / "pruned", Categorical(), prune=0.9)

    def stored(name):
        parts = (tmp_path / name / "variables").glob("variables.data*")
        return sum(part.stat().st_size for part in parts)

    assert stored("pruned") < 0.2 * stored("whole")
    posteriors = [site.posterior for site in bnn.sites(model).values()]
    ratios = [np.abs(q.mean) / q.scale for q in posteriors]
    every = np.sort(np.concatenate([np.ravel(r) for r in ratios]))
    limit = every[round(0.9 * len(every))]
    for q, ratio in zip(posteriors, ratios, strict=True):
        kept = np.asarray(ratio) >= limit
        q.initialise(np.where(kept, q.mean, 0), np.where(kept, q.scale, 1e-12))
    read = tf.saved_model.load(str(tmp_path / "pruned"))
    numbers = {"seed": tf.constant(5, tf.int64), "first": tf.constant(0), "count": tf.constant(3)}
    outputs = read.signatures["sample"](inputs=tf.constant(x), **numbers)["outputs"]
    np.testing.assert_allclose(outputs, bnn.predict(model, x, 3, seed=5), rtol=1e-5, atol=1e-6)
    for share in (1.0, -0.5):
        with pytest.raises(ValueError, match=r"prune must be a share in \(0, 1\) of the weights"):
            bnn.export(model, tmp_path / "other", Categorical(), prune=share)


def test_a_share_of_all_weights_is_refused():
    model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"leave at least one of the 9 weights, got 0\.99; choose"):
        PrunedDraws(model, 0.99)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
def test_moments_as_saved_model_and_for_litert(tmp_path, rng):
    inputs = keras.Input((8, 8, 1))
    hidden = bnn.layers.Conv2D(4, 3, activation="relu")(inputs)
    hidden = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(hidden))
    model = keras.Model(inputs, bnn.layers.Dense(3)(hidden))
    x = rng.normal(size=(5, 8, 8, 1)).astype(np.float32)
    bnn.export_moments(model, tmp_path / "moments", Categorical(), num_points=16)
    read = tf.saved_model.load(str(tmp_path / "moments"))
    said = read.signatures["serving_default"](inputs=tf.constant(x))
    ours = bnn.predictive(model, Categorical(), x, 16, seed=0, method="moments")
    for name in ("mean", "total", "aleatoric", "epistemic"):
        np.testing.assert_allclose(said[name], getattr(ours, name), rtol=1e-5, atol=1e-7)
    bnn.export_moments(model, tmp_path / "moments.tflite", Categorical())
    lite = tf.lite.Interpreter(model_path=str(tmp_path / "moments.tflite"))
    run = lite.get_signature_runner()
    known = propagate(model, x[:1])
    answer = run(inputs=x[:1])
    np.testing.assert_allclose(answer["mean"], known.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(answer["variance"], known.variance, rtol=1e-4, atol=1e-6)
    with pytest.raises(FileExistsError, match=r"path must be a new folder"):
        bnn.export_moments(model, tmp_path / "moments", Categorical())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("seed", [7, -9])
def test_functions_for_litert(tmp_path, rng, seed):
    """The bits of the noise are whole numbers, exact there; the rest to rounding."""
    inputs = keras.Input((4,))
    hidden = bnn.layers.Dense(200, activation="relu")(inputs)  # compiled noise and other
    model = keras.Model(inputs, bnn.layers.Dense(3)(hidden))
    path = tmp_path / "sampler.tflite"
    bnn.export(model, path, Categorical())
    x = rng.normal(size=(5, 4)).astype(np.float32)
    run = tf.lite.Interpreter(model_path=str(path)).get_signature_runner()
    ours = bnn.predict(model, x, 3, seed=seed, jit_compile=False).numpy()
    for number in range(3):
        said = run(inputs=x, seed=np.int32(seed), number=np.int32(number))["outputs"]
        np.testing.assert_allclose(said, ours[number], rtol=1e-5, atol=1e-6)
    assert np.abs(ours[0] - ours[1]).max() > 1e-2
    with pytest.raises(
        ValueError, match=r"a \.tflite file holds the outputs of the whole posterior"
    ):
        bnn.export(model, tmp_path / "other.tflite", Categorical(), prune=0.5)
