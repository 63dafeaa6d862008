"""Models in odd but legal styles: converted, fitted, saved, and loaded in a fresh process."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import bnn
from tests.conversion.comparison import different
from tests.conversion.odd_models import ODD, RNG, ROWS, quantized

pytestmark = pytest.mark.slow
NAMES = pytest.mark.parametrize("name", ODD)
# Half precision rounds; the others are the same to the bit.
ROUNDING = {"half_precision": 2e-3, "quantized_and_adapted": 1e-5}

IN_ANOTHER_PROCESS = """
import sys
import keras, numpy as np
from tests.conversion.odd_models import ODD
for name, make in ODD.items():
    model = keras.models.load_model(f"{sys.argv[1]}/{name}.keras", safe_mode=True)
    predicted = keras.tree.flatten(model.predict(make()[2], verbose=0))
    np.savez(f"{sys.argv[1]}/{name}.npz", *predicted)
    model.fit(*make()[2:], batch_size=12, verbose=0)
"""


def tensors(x):
    return keras.tree.map_structure(keras.ops.convert_to_tensor, x)


@pytest.fixture(scope="module")
def converted():
    """By name: the model, what `convert` made of it, likelihood, inputs and targets."""
    found = {}
    for name, make in ODD.items():
        keras.utils.set_random_seed(0)
        model, *others = make()
        found[name] = (model, bnn.convert(model, verbose=False), *others)
    return found


@pytest.fixture(scope="module")
def fitted(converted, tmp_path_factory):
    """The folder of the fitted models, and what they predict."""
    folder, predicted = tmp_path_factory.mktemp("odd"), {}
    for name, (_, network, likelihood, x, y) in converted.items():
        model = bnn.BayesianModel(network, likelihood, num_predict_samples=2)
        model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
        before = [v.numpy() for v in model.trainable_variables]
        history = model.fit(x, y, batch_size=12, epochs=2, verbose=0).history
        assert np.isfinite(history["loss"]).all(), name
        moved = [np.any(v != b) for v, b in zip(model.trainable_variables, before, strict=True)]
        assert all(moved), name
        model.save(folder / f"{name}.keras")
        predicted[name] = keras.tree.flatten(model.predict(x, verbose=0))
    return folder, predicted


@pytest.fixture(scope="module")
def loaded(fitted):
    """What they predict in a fresh process."""
    folder, found = fitted[0], {}
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, str(folder)], check=True)
    for name in ODD:
        with np.load(folder / f"{name}.npz") as values:
            found[name] = list(values.values())
    return found


@NAMES
def test_the_conversion_is_exact_and_leaves_the_model_as_it_is(name, converted):
    _, network, _, x, _ = converted[name]
    model = ODD[name]()[0]
    for mine, other in zip(model.weights, converted[name][0].weights, strict=True):
        mine.assign(other)
        assert mine.trainable == other.trainable
    assert different(network(tensors(x), training=False), model(tensors(x), training=False)) == 0
    weights = sum(int(np.prod(v.shape)) for v in model.trainable_variables if "float" in v.dtype)
    quantized_biases = 2 if name == "quantized_and_adapted" else 0
    assert sum(row.weights for row in network.conversion) == weights - quantized_biases
    assert not any("taken over" in row.reason for row in network.conversion)


@NAMES
def test_fitted_saved_and_loaded_in_a_fresh_process(name, fitted, loaded):
    assert different(fitted[1][name], loaded[name]) <= 1e-6


@NAMES
def test_back_in_keras(name, fitted, converted):
    _, network, _, x, _ = converted[name]
    plain = bnn.to_keras(network)
    outputs = network(tensors(x), training=False)
    assert different(plain(tensors(x), training=False), outputs) <= ROUNDING.get(name, 0)


@NAMES
def test_a_predictive(name, fitted, converted):
    _, network, likelihood, x, _ = converted[name]
    model = bnn.BayesianModel(network, likelihood, num_predict_samples=2)
    if name == "dict_of_heads":
        with pytest.raises(ValueError, match="needs a model with one output"):
            _ = model.predictive(x).mean
        return
    assert np.isfinite(model.predictive(x).mean).all()


def test_a_quantized_model_has_nothing_to_be_random():
    with pytest.raises(ValueError, match=r"no layer .* became random .*dense\w* \(quantized\)"):
        bnn.convert(quantized()[0], verbose=False)


def test_a_quantized_layer_stays_deterministic_beside_others():
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(4, name="body"), keras.layers.Dense(2, name="head")]
    )
    model.get_layer("body").quantize("int8")
    expected = model(ROWS)
    bayesian = bnn.convert(model, verbose=False)
    assert different(bayesian(ROWS), expected) == 0
    rows = {row.path: row for row in bayesian.conversion}
    assert rows["body"].reason == "quantized"
    assert rows["head"].became == "Dense"
    with pytest.raises(ValueError, match="layer 'body' must not be quantized, as integers have no"):
        bnn.layers.WeightSpace(model.get_layer("body"))(ROWS)


def test_weights_that_were_adapted_are_saved_once(tmp_path):
    """Keras adds an adapted kernel's update to it when it is saved."""
    layer = keras.layers.Dense(3)
    layer.build((None, 6))
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(RNG.normal(size=(2, 3)))
    expected = layer(ROWS)
    space = bnn.layers.WeightSpace(layer)
    assert different(space(ROWS), expected) == 0
    model = keras.Sequential([keras.Input((6,)), space])
    model.save(tmp_path / "m.keras")
    assert different(model(ROWS), expected) == 0
    assert different(keras.models.load_model(tmp_path / "m.keras")(ROWS), expected) == 0
