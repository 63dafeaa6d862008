"""Variational last layers: the posterior of a linear model, and the bound of a deep one."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn.compat import decays_weight
from bnn.diagnostics import check_method
from bnn.methods import VBLL
from bnn.posteriors import Point


def random_method(likelihood=None):
    """Built on the small network, with a spread that is no multiple of 1."""
    method = s.built(VBLL(), optimizer="sgd", likelihood=likelihood)
    rng = np.random.default_rng(3)
    method._lower.assign(0.3 * rng.normal(size=method._lower.shape))
    method._log_diagonal.assign(-1 + 0.3 * rng.normal(size=method._log_diagonal.shape))
    return method


def test_outputs_of_functions_have_the_moments(assert_mean):
    method = random_method()
    x = s.data()[0][:3]
    mean, variance = (v.numpy() for v in method.moments(x))
    np.testing.assert_allclose(mean, method.problem.model(x), atol=1e-6)
    outputs = method.predict(x, 20_000, seed=1).numpy()
    assert_mean(outputs, mean)
    assert_mean(np.square(outputs - mean), variance)


def test_the_divergence_is_that_of_normals():
    """Σ_c KL(N(m_c, S_c) ‖ N(0, 1)) and −log p of the other layers."""
    method = random_method()
    info = method.loss(s.batches().at(0), s.noise_of(0))
    kernel, bias = (t.variable.numpy() for t in method.weights.tensors)
    means = np.concatenate([kernel, bias[None]]).T
    expected = 0.0
    for mean, scale in zip(means, method.scale().numpy(), strict=True):
        covariance = scale @ scale.T
        half = np.trace(covariance) + mean @ mean - len(mean) - np.linalg.slogdet(covariance)[1]
        expected += 0.5 * half
    others = [value for name, value in info.metrics.items() if name.startswith("kl/0_")]
    assert len(others) == 2
    assert float(info.metrics["penalty"]) == pytest.approx(
        expected + float(tf.add_n(others)), rel=1e-5
    )
    nll = float(info.metrics["nll"])
    kl = float(info.metrics["penalty"])
    assert float(info.loss) == pytest.approx(nll + kl / s.NUM_TRAIN, rel=1e-6)


def check(method, **options):
    return check_method(method, Point(), num_steps=3000, **options)


@pytest.mark.slow
def test_a_linear_model_has_its_exact_posterior():
    report = check(VBLL(), batch_size=32, tolerance=0.03)
    assert report.ok, report


class WithoutSpread(VBLL):
    """The KL lacks the trace."""

    def kl(self):
        return super().kl() - tf.reduce_sum(0.5 * tf.square(self.scale()) * self._precision[0, 0])


class PerBatch(VBLL):
    """The prior counts once a batch."""

    def loss(self, batch, noise, training=True):
        info = super().loss(batch, noise, training)
        return info._replace(loss=info.metrics["nll"] + info.metrics["penalty"] / 16)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [WithoutSpread, PerBatch])
def test_planted_defects_are_caught(kind):
    report = check(kind(), checks=("posterior",))
    assert not report.ok, report


def sequential(*layers):
    with bnn.posteriors.points():
        return keras.Sequential([keras.Input((3,)), *(make() for make in layers)])


ENDS = {
    "tanh": ((lambda: bnn.layers.Dense(2, "tanh"),), "that is linear, on features"),
    "other": (
        (s.point_model, keras.layers.UnitNormalization),
        "last layer is dense, got .* with UnitNormalization",
    ),
    "plain": ((lambda: keras.layers.Dense(2),), "have no prior: they are a plain Keras layer's"),
}


@pytest.mark.parametrize(("layers", "message"), ENDS.values(), ids=ENDS)
def test_models_that_it_refuses(layers, message):
    model = sequential(*layers)
    with pytest.raises(ValueError, match=message):
        s.built(VBLL(), model=model, optimizer="sgd")


def test_an_unusable_scale_is_refused():
    with pytest.raises(ValueError, match=r"initial_scale must be positive, got 0\.0"):
        VBLL(initial_scale=0.0)


def test_operations_behind_the_last_layer_are_refused():
    """They are no layers of the model, and the moments would lack them."""
    inputs = keras.Input((3,))
    with bnn.posteriors.points():
        model = keras.Model(inputs, keras.ops.tanh(bnn.layers.Dense(2)(inputs)))
    with pytest.raises(ValueError, match=r"outputs are those of its last layer 'dense.*', but"):
        s.built(VBLL(), model=model, optimizer="sgd")


@pytest.mark.parametrize("kind", [dict, list, "one"])
def test_inputs_of_every_structure_are_taken(kind):
    """Without Keras's warning of another structure."""
    inputs, x = keras.Input((3,), name="a"), s.data()[0][:2]
    given = {dict: {"a": inputs}, list: [inputs], "one": inputs}[kind]
    with bnn.posteriors.points():
        model = keras.Model(given, bnn.layers.Dense(2)(inputs))
    method = s.built(VBLL(), model=model, optimizer="sgd")
    mean, _ = method.moments({dict: {"a": x}, list: [x], "one": x}[kind])
    assert mean.shape == (2, 2)


def test_weight_decay_leaves_the_spread_alone():
    method = s.built(VBLL(), optimizer=keras.optimizers.AdamW(0.01, weight_decay=0.1))
    optimizer = method.problem.optimizer
    assert not decays_weight(optimizer, method._log_diagonal)
    assert not decays_weight(optimizer, method._lower)
    assert decays_weight(optimizer, method.weights.variables[0])


def test_it_serves_mixed_precision():
    with bnn.posteriors.points():
        layers = [bnn.layers.Dense(n, dtype="mixed_bfloat16") for n in (4, 2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    method = s.built(VBLL(), model=model, optimizer="sgd")
    assert np.isfinite(method.loss(s.batches().at(0), s.noise_of(0)).loss)
