"""The last layer exact given the others: beside SciPy's evidence, and the exact posterior."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf
from scipy import stats

import bnn
from bnn import likelihoods
from bnn.data import Batch, ResidentBatches
from bnn.diagnostics import Verdict, check_method
from bnn.methods import ConditionalLastLayer
from bnn.posteriors import MeanFieldNormal, Point
from bnn.prediction import Functions

PRIOR = bnn.priors.Normal(0.3, 1.5)
NOISE = 0.4
TARGETS = np.stack([s.data()[0][:, 1], 2 * s.data()[0][:, 2]], 1).astype(np.float32)


def network(posterior=None, **options):
    posterior = posterior if posterior is not None else Point()
    hidden = {f"{name}_posterior": posterior for name in ("kernel", "bias")}
    last = {"kernel_prior": PRIOR, "bias_prior": PRIOR, **options}
    layers = [bnn.layers.Dense(4, "tanh", **hidden), bnn.layers.Dense(2, **last)]
    return keras.Sequential([keras.Input((3,)), *layers])


def built(model, likelihood=None, optimizer="sgd", **options):
    likelihood = likelihood if likelihood is not None else likelihoods.Normal(NOISE)
    likelihood.build(2)
    method = ConditionalLastLayer(**options)
    return s.built(method, model=model, optimizer=optimizer, likelihood=likelihood)


def whole(weights=None):
    return Batch(tf.constant(s.data()[0]), tf.constant(TARGETS), weights)


def features(method):
    return np.concatenate([method._last.features(s.data()[0]), np.ones((24, 1))], 1)


@pytest.mark.parametrize("repeated", [False, True])
def test_the_loss_is_the_evidence_of_scipy_and_weights_are_repetitions(repeated):
    method = built(network(), num_samples=1)
    counts = np.r_[2, np.ones(23)] if repeated else np.ones(24)
    rows = np.repeat(np.arange(24), counts.astype(int))
    wide = features(method)[rows].astype(np.float64)
    covariance = 1.5**2 * wide @ wide.T + NOISE**2 * np.eye(len(rows))
    normal = stats.multivariate_normal(0.3 * wide.sum(1), covariance)
    expected = -sum(normal.logpdf(TARGETS[rows, c]) for c in range(2)) / 24
    batch = whole(tf.constant(counts, tf.float32) if repeated else None)
    info = method.loss(batch, s.noise_of(0))
    assert float(info.metrics["nll"]) == pytest.approx(expected, rel=1e-5)
    penalty = sum(float(v) for n, v in info.metrics.items() if n.startswith("kl/0_"))
    assert float(info.metrics["penalty"]) == pytest.approx(penalty, rel=1e-5)
    assert float(info.loss) == pytest.approx(expected + penalty / 24, rel=1e-5)


def test_functions_have_the_law_of_a_linear_regression_on_the_features(assert_mean):
    method = built(network(), num_functions=1000)
    batches = ResidentBatches(s.data()[0], TARGETS, batch_size=10, seed=5)
    method.finish(batches)
    wide = features(method)
    precision = wide.T @ wide / NOISE**2 + np.eye(5) / 1.5**2
    mean = 0.3 + np.linalg.solve(precision, wide.T @ (TARGETS - 0.3 * wide.sum(1)[:, None])) / (
        NOISE**2
    )
    draws = method._betas.numpy().astype(np.float64)
    assert_mean(draws, mean)
    away = draws - mean
    covariance = np.linalg.inv(precision)
    assert_mean(away[:, :, None, 0] * away[:, None, :, 0], covariance)
    with pytest.raises(AssertionError):  # a planted defect: twice the variance
        assert_mean(2 * away[:, :, None, 0] * away[:, None, :, 0], covariance)
    (outputs,) = method.predict(s.data()[0], 1, 7)
    np.testing.assert_allclose(outputs, wide @ draws[0], atol=1e-4)


def test_functions_go_with_the_hidden_weights_they_were_drawn_for():
    """With noise next to none every function passes through data that its features can fit."""
    method = built(network(MeanFieldNormal(0.5)), likelihoods.Normal(1e-2), num_functions=8)
    narrow = Batch(tf.constant(s.data()[0][:3]), tf.constant(TARGETS[:3]))

    class Three(ResidentBatches):
        def full(self):
            yield narrow

    method.finish(Three(s.data()[0][:3], TARGETS[:3], batch_size=3, seed=0))
    functions = method.functions(8, 0)
    assert isinstance(functions, Functions)
    outputs = method.predict(s.data()[0][:3], 8, 0).numpy()
    assert outputs.std(0).max() < 0.05
    other = method.predict(s.data()[0][3:], 8, 0).numpy()
    assert other.std(0).min() > 0.05
    np.testing.assert_allclose(outputs.mean(0), TARGETS[:3], atol=0.1)


def test_the_noise_is_learned_and_the_frozen_stay():
    learned = likelihoods.Normal(NOISE, trainable=True)
    method = built(network(MeanFieldNormal(0.1)), learned)
    last = [v.numpy() for v in method._last.layer.variables]
    before = float(learned.scale[0])
    for step in range(3):
        info = method.step(whole(), s.noise_of(step), s.identity)
        assert np.isfinite(float(info.loss))
    assert float(learned.scale[0]) != before
    for variable, value in zip(method._last.layer.variables, last, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert method.describe()["gradient_evaluations"] == 3 * 4 * 24
    (outputs,) = method.predict(s.data()[0], 5, 0)
    assert np.isfinite(outputs).all()


class Doubled(ConditionalLastLayer):
    """The prior counts twice."""

    def _prior(self):
        loc, precision = super()._prior()
        return loc, 2 * precision


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ConditionalLastLayer, Doubled])
def test_check_method_finds_the_exact_posterior_and_a_prior_that_counts_twice(kind):
    report = check_method(
        kind(num_functions=4096),
        MeanFieldNormal(0.2),
        num_steps=8,
        batch_size=32,
        tolerance=0.02,
    )
    failed = [row.name for row in report.rows if row.verdict is Verdict.FAIL]
    expected = [] if kind is ConditionalLastLayer else ["posterior mean", "posterior covariance"]
    assert failed == expected, report


def test_what_it_cannot_serve_is_refused():
    with pytest.raises(ValueError, match=r"likelihood Normal\(\), .* got Categorical; use VBLL"):
        s.built(ConditionalLastLayer(), model=network(), optimizer="sgd")
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="end")])
    with pytest.raises(ValueError, match="prior for the last layer 'end', which is of Keras"):
        built(plain)
    with pytest.raises(ValueError, match=r"normal priors for the last layer .* got Laplace"):
        built(network(kernel_prior=bnn.priors.Laplace()))
    frozen = network()
    frozen.layers[-1].trainable = False
    with pytest.raises(ValueError, match=r"ConditionalLastLayer fits the last .* is frozen"):
        built(frozen)
    batch, method = Batch(tf.constant(s.data()[0][:8]), tf.constant(TARGETS[:8])), built(network())
    with pytest.raises(ValueError, match="needs all 24 examples in every step, got batches of 8"):
        method.step(batch, s.noise_of(0), s.identity)
