"""SWA and SWAG renew BatchNormalization's statistics: beside NumPy's own pass over the data."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn.data import ResidentBatches
from bnn.methods import SWA, SWAG, DeepEnsemble
from bnn.posteriors import points

BATCH = 7  # of 24: 7, 7, and 10
CHUNKS = (slice(0, 7), slice(7, 14), slice(14, 24))
KINDS = {"keras": keras.layers.BatchNormalization, "bnn": bnn.layers.BatchNormalization}


def network(kind="keras", **options):
    with points():
        norms = [KINDS[kind](**options) for _ in range(2)]
        layers = [keras.layers.Dense(5), norms[0], keras.layers.ReLU(), keras.layers.Dropout(0.5)]
        layers += [keras.layers.Dense(4), norms[1], keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((3,)), *layers])


def trained(method, model, finish=True, steps=10):
    method.build(s.problem(model=model, optimizer=keras.optimizers.Adam(0.05)))
    batches = ResidentBatches(*s.data(), batch_size=BATCH, seed=5)
    for step in range(steps):
        method.step(batches.at(step), s.noise_of(step), s.identity)
        method.archive.note(step + 1)
    if finish:
        method.finish(batches)
    return method


def weights_of(method, functions, sample):
    """The trained values of one function by NumPy, in the order of the model."""
    with functions.at(tf.constant(sample), functions.arguments):
        return [np.asarray(v.value, np.float64) for v in method.problem.trained]


def one_pass(values):
    """Moments of the inputs of both layers, pooled over the batches of one pass."""
    x = s.data()[0].astype(np.float64)
    w1, b1, g1, o1, w2, b2 = values[:6]
    h = x @ w1 + b1
    first = (h.mean(0), h.var(0))
    parts = [h[c] for c in CHUNKS]
    parts = [g1 * (p - p.mean(0)) / np.sqrt(p.var(0) + 1e-3) + o1 for p in parts]
    second = np.concatenate([np.maximum(p, 0) @ w2 + b2 for p in parts])
    return [*first, second.mean(0), second.var(0)]


def outputs_of(values, moments):
    """The network at inference with these statistics."""
    w1, b1, g1, o1, w2, b2, g2, o2, w3, b3 = values
    h = s.data()[0] @ w1 + b1
    h = np.maximum(g1 * (h - moments[0]) / np.sqrt(moments[1] + 1e-3) + o1, 0) @ w2 + b2
    return (g2 * (h - moments[2]) / np.sqrt(moments[3] + 1e-3) + o2) @ w3 + b3


METHODS = {
    "SWA": lambda: SWA(start=0.3, num_snapshots=5),
    "SWAG": lambda: SWAG(3, start=0.3, num_snapshots=5, num_statistics=3),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_the_moments_are_those_of_one_pass_with_the_function_s_own_weights(name, kind):
    method = trained(METHODS[name](), network(kind))
    functions = method.functions(2, seed=9)
    assert functions.num_samples == (1 if name == "SWA" else 2)
    predicted = method.predict(s.data()[0], 2, 9)
    last = [v.numpy() for v in method._moving.variables]
    for sample in range(functions.num_samples):
        values = weights_of(method, functions, sample)
        expected = one_pass(values)
        held = [value.numpy()[sample] for value in functions.arguments["values"]]
        for found, right, stale in zip(held, expected, last, strict=True):
            np.testing.assert_allclose(found, right, rtol=2e-4, atol=1e-6)
            assert np.abs(stale - right).max() > 0.01  # of the last iterate: another answer
        np.testing.assert_allclose(predicted[sample], outputs_of(values, expected), atol=1e-3)


def test_the_model_keeps_its_own_statistics_and_what_a_call_makes_of_them():
    model = network()
    method = trained(METHODS["SWA"](), model, finish=False)
    before = [v.numpy() for v in model.variables]
    outputs = model(s.data()[0], training=False)
    method.finish(ResidentBatches(*s.data(), batch_size=BATCH, seed=5))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    np.testing.assert_array_equal(model(s.data()[0], training=False), outputs)
    assert [layer.momentum for layer in method._moving.layers] == [0.99, 0.99]


def test_until_the_end_the_last_iterate_predicts_which_has_statistics():
    model = network()
    method = trained(METHODS["SWAG"](), model, finish=False)
    (outputs,) = method.predict(s.data()[0], 4, 0)
    np.testing.assert_allclose(outputs, model(s.data()[0], training=False), atol=1e-5)


def test_statistics_are_state_and_need_no_data_again():
    method, other = (METHODS["SWAG"]() for _ in range(2))
    trained(method, network())
    other.build(s.problem(model=network(), optimizer="adam"))
    for of in (lambda m: m.problem.model.variables, lambda m: m.variables):
        for one, another in zip(of(method), of(other), strict=True):
            another.assign(one)
    x = s.data()[0]
    np.testing.assert_array_equal(method.predict(x, 3, 0), other.predict(x, 3, 0))
    np.testing.assert_array_equal(method.predict(x, 3, 0), method.predict(x, 3, 1))


def test_frozen_layers_keep_what_they_have():
    model = network(trainable=False)
    method = trained(METHODS["SWA"](), model)
    assert not method.finishes
    values = weights_of(method, method.functions(1, 0), 0)
    assert len(values) == 6  # without scales and offsets
    with_all = [*values[:2], np.ones(5), np.zeros(5), *values[2:4], np.ones(4), np.zeros(4)]
    expected = outputs_of([*with_all, *values[4:]], [0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(method.predict(s.data()[0], 1, 0)[0], expected, atol=1e-4)


class Once(ResidentBatches):
    """A stream that has passed."""

    def full(self):
        yield from list(super().full())[:2]


def test_what_cannot_be_renewed_is_refused():
    method = trained(METHODS["SWAG"](), network(), finish=False)
    with pytest.raises(ValueError, match=r"SWAG must read all 24 training examples .* got 14"):
        method.finish(Once(*s.data(), batch_size=BATCH, seed=5))
    spectral = keras.layers.SpectralNormalization(keras.layers.Dense(2), name="bound")
    model = keras.Sequential([keras.Input((3,)), spectral])
    with pytest.raises(ValueError, match=r"SWA cannot serve layer 'bound' \(SpectralNormal.*Group"):
        s.built(SWA(), model=model, optimizer="sgd")
    with pytest.raises(
        ValueError, match=r"method DeepEnsemble cannot serve SWAG, .* without Batch"
    ):
        s.built(
            DeepEnsemble(SWAG(), 2),
            model=network(),
            optimizer="sgd",
            make_model=network,
        )
