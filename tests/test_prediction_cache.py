"""When a prediction is compiled anew, what it keeps of the model, and what it leaves there."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Reparameterization
from bnn.noise import Purpose
from bnn.posteriors import Point
from bnn.prediction import (
    Block,
    Draws,
    Functions,
    StoredWeights,
    compiled,
    predict_blocks,
    sampling,
)


def dense(units=2, **options):
    return bnn.layers.Dense(units, use_bias=False, **options)


@pytest.fixture
def traces():
    """Shapes of the inputs that the model was traced with."""
    return []


@pytest.fixture
def model(traces):
    class Counting(keras.layers.Dense):
        def call(self, inputs):
            traces.append(inputs.shape)
            return super().call(inputs)

    model = keras.Sequential([keras.Input((3,)), Counting(2, use_bias=False)])
    traces.clear()
    return model


@pytest.fixture
def x(rng):
    return rng.normal(size=(200, 3)).astype(np.float32)


def predict(model, x, num_samples=2, **options):
    return bnn.predict(model, x, num_samples, **{"jit_compile": False, **options})


def draws(model, x, num_samples=2, seed=0):
    outputs = []
    for sample in range(num_samples):
        noise = bnn.Noise(seed, purpose=Purpose.PREDICTION, sample=sample)
        with bnn.Draw(noise, Reparameterization()):
            outputs.append(model(x, training=False))
    return np.stack(outputs)


# --- A new number of rows ------------------------------------------------------------------------


def test_a_graph_serves_every_number_of_rows(model, traces, x):
    for rows in (7, 1, 64, 200):
        np.testing.assert_allclose(
            predict(model, x[:rows], seed=rows), draws(model, x[:rows], seed=rows), rtol=1e-4,
            atol=1e-5,
        )  # fmt: skip
        traces[:] = [shape for shape in traces if shape[0] is None]
    assert len(traces) == 1
    predict(model, x, batch_size=64)
    assert len(traces) == 1


def test_xla_compiles_few_numbers_of_rows(model, traces, x):
    for rows in (100, 37, 3, 64, 99, 100, 50, 150, 1):
        padded = predict(model, x[:rows], jit_compile=True)
        np.testing.assert_allclose(padded, predict(model, x[:rows]), rtol=1e-4, atol=1e-5)
    assert len(traces) == 2  # one each for XLA and the graph
    by_xla = next(c for c in compiled._CACHE[model][1].values() if c.jit_compile)
    assert by_xla.sizes == [64, 100, 160]


def test_numbers_of_rows_on_the_grid():
    """At most a quarter above the number itself, from 65 on."""
    for rows in range(1, 3000):
        size = compiled._on_grid(rows)
        assert rows <= size <= max(8, 2 * rows if rows <= 64 else 1.25 * rows)
        assert compiled._on_grid(size) == size
    assert len({compiled._on_grid(rows) for rows in range(1, 3000)}) == 4 + 4 * 5 + 2


@pytest.mark.parametrize("num_samples", [1, 2])
def test_the_last_rows_of_a_prediction_use_the_pass_of_the_others(model, traces, x, num_samples):
    whole = predict(model, x[:50], num_samples, batch_size=20, jit_compile=True)
    np.testing.assert_allclose(whole, predict(model, x[:50], num_samples), rtol=1e-4, atol=1e-5)
    assert next(iter(compiled._CACHE[model][1].values())).sizes == [20]


# --- Another model --------------------------------------------------------------------------------


def test_a_replaced_layer_is_seen(x):
    """Cases: another layer, a layer without weights, another activation, another rate."""
    model = keras.Sequential([keras.Input((3,)), dense()])
    predict(model, x)
    model.pop()
    model.add(dense())
    np.testing.assert_allclose(predict(model, x), draws(model, x), rtol=1e-4, atol=1e-5)
    model.add(keras.layers.ReLU())
    assert np.min(predict(model, x)) == 0
    model.pop()
    model.layers[-1].activation = keras.activations.relu
    assert np.min(predict(model, x)) == 0
    model.layers[-1].activation = keras.activations.linear
    np.testing.assert_allclose(predict(model, x), draws(model, x), rtol=1e-4, atol=1e-5)


def test_a_replaced_layer_of_a_subclassed_model_is_seen(x):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.head, self.other, self.factor = dense(), dense(), 1.0

        def call(self, inputs):
            return self.factor * self.head(inputs)

    model = Model()
    model.other.build((None, 3))
    predict(model, x)
    model.head = model.other
    np.testing.assert_allclose(predict(model, x), draws(model, x), rtol=1e-4, atol=1e-5)
    model.factor = 2.0
    np.testing.assert_allclose(predict(model, x), draws(model, x), rtol=1e-4, atol=1e-5)


def test_attributes_count_by_their_content(x):
    """Also those of types without weak references, whose identity another one may have later."""

    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.options, self.factors = {"by": 1.0}, [1.0]
            self.pair, self.number = (1.0, (1.0,)), np.float32(1)

        def call(self, inputs):
            product = self.options["by"] * self.factors[0] * self.pair[1][0] * float(self.number)
            return product * inputs

    layer = Own()
    model = keras.Sequential([keras.Input((3,)), layer])
    ones = np.ones((1, 3), np.float32)

    def product():
        return float(predict(model, ones, 1)[0, 0, 0])

    assert product() == 1
    layer.options["by"] = 2.0
    assert product() == 2
    layer.factors[0] = 3.0
    assert product() == 6
    for value in range(1, 6):
        layer.pair = None
        layer.pair = (1.0, (float(value),))
        assert product() == 6 * value
        layer.number = None
        layer.number = np.float32(value)
        assert product() == 6 * value**2
        layer.number = np.float32(1)


def test_nothing_new_is_compiled_for_the_same_model(model, traces, x):
    for _ in range(3):
        predict(model, x)
    assert len(traces) == 1
    model.layers[-1].kernel.assign(np.ones((3, 2)))
    predict(model, x)
    assert len(traces) == 1


def test_old_predictions_are_forgotten(monkeypatch, model, x):
    monkeypatch.setattr(compiled, "_MOST", 2)
    for num_samples in range(1, 5):
        predict(model, x[:1], num_samples)
    assert [key[1] for key in compiled._CACHE[model][1]] == [3, 4]


# --- The model's state ----------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_stateful_layer_starts_every_sample_and_call_from_the_models_state(jit_compile, rng):
    layers = [keras.layers.SimpleRNN(4, stateful=True), dense(kernel_posterior=Point())]
    model = keras.Sequential([keras.Input(batch_shape=(4, 5, 3)), *layers])
    x = rng.normal(size=(10, 5, 3)).astype(np.float32)
    reset = [v.value.numpy() for v in model.variables]
    first = predict(model, x, 3, jit_compile=jit_compile)
    np.testing.assert_allclose(first[1:], np.stack([first[0]] * 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(predict(model, x, 3, jit_compile=jit_compile), first)
    for before, variable in zip(reset, model.variables, strict=True):
        np.testing.assert_array_equal(variable.value, before)
    expected = model(x[:4]).numpy()
    np.testing.assert_allclose(first[0, :4], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"batch_size must be 4 or None, .*that many rows, got 5"):
        predict(model, x, batch_size=5)


def test_keras_random_layers_that_stay_active_differ_from_sample_to_sample(x):
    class Always(keras.layers.Dropout):
        def call(self, inputs, training=None):
            return super().call(inputs, training=True)

    model = keras.Sequential([keras.Input((3,)), Always(0.5, seed=1)])
    samples = predict(model, 1 + np.abs(x), 200).numpy()
    dropped = (samples == 0).mean(axis=0)
    assert np.max(np.abs(dropped - 0.5)) < 6 * np.sqrt(0.25 / 200)
    np.testing.assert_array_equal(predict(model, 1 + np.abs(x), 200), samples)


# --- Functions ------------------------------------------------------------------------------------


def test_stored_weights(model, x, rng):
    loc = model.layers[-1].kernel
    values = rng.normal(size=(4, 3, 2)).astype(np.float32)
    before = loc.value.numpy()
    samples = predict(
        model, x, num_samples=4, functions=StoredWeights([loc], [values]), batch_size=64
    )
    np.testing.assert_allclose(samples, x @ values, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(loc.value, before)


def test_other_values_need_no_new_trace(model, traces, x):
    loc = model.layers[-1].kernel
    for factor in (1.0, 2.0):
        values = factor * np.ones((2, 3, 2), np.float32)
        samples = predict(model, x, functions=StoredWeights([loc], [values]))
        np.testing.assert_allclose(samples, x @ values, rtol=1e-4, atol=1e-5)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "variables and values must be as many, at least one, got 1 variables and 0 values"),
        ([np.zeros((3, 2))], r"must have shape \[S, …\] with the variable's own shape \(3, 2\)"),
        ([np.zeros((0, 3, 2))], r"got \(0, 3, 2\); stack the stored values"),
    ],
)
def test_unusable_stored_weights(model, values, message):
    with pytest.raises(ValueError, match=message):
        StoredWeights([model.layers[-1].kernel], values)


def test_draws_are_the_default(model, x):
    np.testing.assert_array_equal(
        predict(model, x, functions=Draws(2, 7)), predict(model, x, seed=7)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"functions": "draws"}, r"functions must be bnn.prediction.Functions, got 'draws'; pass"),
        ({"functions": Draws(3)}, "num_samples must be that of the functions, 3, got 2; leave"),
    ],
)
def test_unusable_functions(model, x, options, message):
    with pytest.raises(ValueError, match=message):
        predict(model, x, **options)


def test_own_functions(model, x):
    """Function s multiplies the mean of the weights by s."""

    class Multiples(Functions):
        num_samples = 3
        arguments = ()

        def __init__(self, variable):
            self.variable = variable

        def at(self, sample, arguments):
            value = tf.cast(sample, tf.float32) * self.variable.value
            return keras.StatelessScope(state_mapping=[(self.variable, value)])

    functions = Multiples(model.layers[-1].kernel)
    samples = bnn.predict(model, x, functions=functions)
    expected = np.stack([s * model(x).numpy() for s in range(3)])
    np.testing.assert_allclose(samples, expected, rtol=1e-4, atol=1e-5)


# --- Memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("numbers", [1, 256, 2048])
def test_blocks_change_nothing(monkeypatch, model, x, numbers, jit_compile):
    expected = predict(model, x, 7)
    monkeypatch.setattr(sampling, "_BLOCK", numbers)
    blocked = predict(model, x, 7, batch_size=64, jit_compile=jit_compile)
    np.testing.assert_allclose(blocked, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_no_block_asks_for_a_sample_that_is_not_stored(monkeypatch, model, x, rng, jit_compile):
    """Of seven by four: the last four, of which one was given before."""
    monkeypatch.setattr(sampling, "_BLOCK", 4 * 64 * 2)
    loc, values = model.layers[-1].kernel, rng.normal(size=(7, 3, 2)).astype(np.float32)
    options = {"functions": StoredWeights([loc], [values]), "jit_compile": jit_compile}
    samples = bnn.predict(model, x[:64], **options)
    np.testing.assert_allclose(samples, x[:64] @ values, rtol=1e-4, atol=1e-5)
    some = list(predict_blocks(model, x[:64], **options, samples=slice(1, 6)))
    assert [(b.samples.start, b.samples.stop) for b in some] == [(1, 4), (4, 6)]
    joined = np.concatenate([block.outputs for block in some])
    np.testing.assert_allclose(joined, x[:64] @ values[1:6], rtol=1e-4, atol=1e-5)


def test_blocks_of_rows_and_samples(monkeypatch, model, x):
    monkeypatch.setattr(sampling, "_BLOCK", 400)
    blocks = list(predict_blocks(model, x, 6, batch_size=100, jit_compile=False))
    assert all(isinstance(block, Block) for block in blocks)
    places = [(b.rows.start, b.rows.stop, b.samples.start, b.samples.stop) for b in blocks]
    assert places == [(r, r + 100, s, s + 2) for r in (0, 100) for s in (0, 2, 4)]
    assert {block.outputs.shape for block in blocks} == {(2, 100, 2)}


def test_a_result_is_filled_in_place():
    """Without a copy at the end: the whole result is in memory once."""
    result = sampling._Result((2, 3, 4), tf.float32)
    result.put((slice(0, 2), slice(0, 3)), tf.ones((2, 3, 4)))
    tensor = result.tensor()
    result._array[0, 0, 0] = 5.0
    assert float(tensor[0, 0, 0]) == 5.0
