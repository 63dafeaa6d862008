"""What every likelihood must satisfy; each raises AssertionError where one does not."""

from __future__ import annotations

import numpy as np
import scipy.integrate
import scipy.special
import tensorflow as tf

from tests.likelihoods.descriptors import SEED, B, Descriptor, S

UNITS = {"loc": np.array([10.0, -2.0]), "scale": np.array([4.0, 0.1])}
LEVELS = np.array([1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6])


def example(descriptor: Descriptor, *leading: int):
    rng = np.random.default_rng(SEED)
    return descriptor.outputs(rng, *(leading or (B,))), descriptor.targets(rng)


def units_of(descriptor: Descriptor):
    """Standardised columns have units; labels, counts and proportions do not."""
    return UNITS if descriptor.name in ("Normal", "StudentT", "MixtureDensity") else {}


def check_log_prob(descriptor: Descriptor, likelihood) -> None:
    """Against SciPy, in both precisions, within the body and far out in the tails."""
    outputs, targets = example(descriptor)
    expected = descriptor.log_prob(outputs, targets)
    log_prob = likelihood.log_prob(tf.constant(outputs), targets)
    assert log_prob.shape == (B,)
    np.testing.assert_allclose(log_prob, expected, rtol=2e-6, atol=1e-6)
    single = likelihood.log_prob(tf.constant(outputs, tf.float32), targets)
    assert single.dtype == tf.float32
    np.testing.assert_allclose(single, expected, rtol=1e-3, atol=1e-4)
    checked = likelihood.checked_log_prob(tf.constant(outputs), targets)
    np.testing.assert_array_equal(checked, log_prob)


def check_tails(descriptor: Descriptor, likelihood) -> None:
    """At quantiles of 1e-9 and 1 − 1e-9, and for outputs 10 times as large, in float64."""
    outputs, targets = example(descriptor)
    if descriptor.marginal is not None and descriptor.name != "Weibull":
        for q in (1e-9, 1 - 1e-9):
            y = descriptor.marginal(outputs).ppf(np.full(targets.shape, q))
            np.testing.assert_allclose(
                likelihood.log_prob(tf.constant(outputs), y),
                descriptor.log_prob(outputs, y),
                rtol=1e-5,
            )
    far = 10 * outputs
    with np.errstate(divide="ignore"):
        expected = descriptor.log_prob(far, targets)
    log_prob = likelihood.log_prob(tf.constant(far), targets).numpy()
    assert np.all(np.isfinite(log_prob))
    known = np.isfinite(expected) & (expected > -600)
    np.testing.assert_allclose(log_prob[known], expected[known], rtol=1e-5)


def check_mixture(descriptor: Descriptor, likelihood) -> None:
    """The log-density is that of the mean density, with units as with none."""
    outputs, targets = example(descriptor, S, B)
    each = np.stack([descriptor.log_prob(o, targets) for o in outputs])
    expected = scipy.special.logsumexp(each, axis=0) - np.log(S)
    predictive = likelihood.predictive(outputs)
    assert predictive.log_prob(targets).dtype == tf.float64
    np.testing.assert_allclose(predictive.log_prob(targets), expected, rtol=2e-6, atol=1e-6)
    units = units_of(descriptor)
    if units:
        own = targets * units["scale"] + units["loc"]
        shifted = likelihood.predictive(outputs, **units).log_prob(own)
        expected = expected - np.log(units["scale"]).sum()
        np.testing.assert_allclose(shifted, expected, rtol=2e-6, atol=1e-6)


def check_moments(descriptor: Descriptor, likelihood) -> None:
    """Mean and variance by SciPy, and their law of total variance over samples."""
    outputs, _ = example(descriptor, S, B)
    reference = descriptor.marginal(outputs)
    predictive = likelihood.predictive(outputs)
    mean, variance = reference.mean(), reference.var()
    np.testing.assert_allclose(predictive.mean(), mean.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(predictive.aleatoric(), variance.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(predictive.epistemic(), mean.var(axis=0), rtol=1e-6)
    total = variance.mean(axis=0) + mean.var(axis=0)
    np.testing.assert_allclose(predictive.variance(), total, rtol=1e-6)
    np.testing.assert_allclose(predictive.stddev(), np.sqrt(total), rtol=1e-6)


def check_cdf_and_quantile(descriptor: Descriptor, likelihood) -> None:
    """The CDF by SciPy; the quantile its inverse, and of one sample SciPy's own."""
    outputs, _ = example(descriptor, S, B)
    reference = descriptor.marginal(outputs)
    predictive = likelihood.predictive(outputs)
    at = reference.ppf(np.full(reference.mean().shape, 0.6))[0]
    for y in (at, at - 1.5, -1.0 + 0 * at):
        np.testing.assert_allclose(
            predictive.cdf(y), reference.cdf(y).mean(axis=0), rtol=1e-6, atol=1e-12
        )
    found = predictive.quantile(LEVELS).numpy()
    assert found.shape == (len(LEVELS), *at.shape)
    for q, y in zip(LEVELS, found, strict=True):
        at_y = predictive.cdf(y).numpy()
        if descriptor.discrete:
            assert np.all(at_y >= q)
            assert np.all(predictive.cdf(y - 1).numpy() < q)
        else:
            np.testing.assert_allclose(at_y, q, rtol=1e-6)
    alone = likelihood.predictive(outputs[:1]).quantile(0.37)
    single = descriptor.marginal(outputs[0])
    np.testing.assert_allclose(alone, single.ppf(np.full(at.shape, 0.37)), rtol=1e-6)
    lower, upper = predictive.interval(0.8)
    np.testing.assert_allclose(lower, predictive.quantile(0.1), rtol=1e-12)
    np.testing.assert_allclose(upper, predictive.quantile(0.9), rtol=1e-12)


def check_crps(descriptor: Descriptor, likelihood) -> None:
    """Against the integral of (F(t) − [t ≥ y])²."""
    outputs, targets = example(descriptor, S, B)
    predictive = likelihood.predictive(outputs)
    reference = descriptor.marginal(outputs)
    y = targets[:, :1] if descriptor.name == "Weibull" else targets
    actual = predictive.crps(y).numpy()

    def below(t):
        return reference.cdf(t).mean(axis=0)

    if descriptor.discrete:
        grid = np.arange(400.0)
        expected = sum((below(k) - (k >= y)) ** 2 for k in grid)
        np.testing.assert_allclose(actual, expected, rtol=1e-8)
        return
    # Clustered at the target, where the integrand jumps.
    steps = np.linspace(0, 1, 1001)[:, None, None, None] ** 3
    expected = np.zeros(y.shape)
    for q in (1e-8, 1 - 1e-8):
        edge = predictive.quantile(q).numpy()
        t = y + (edge - y) * steps
        square = (reference.cdf(t).mean(axis=1) - (q > 0.5)) ** 2
        expected += np.abs(scipy.integrate.trapezoid(square, t[:, 0], axis=0))
    np.testing.assert_allclose(actual, expected, atol=2e-3 * float(np.max(predictive.stddev())))


def check_samples(descriptor: Descriptor, likelihood, z_limit: float) -> None:
    """Mean and CDF of many samples, as z-scores."""
    outputs, _ = example(descriptor, S, B)
    predictive = likelihood.predictive(outputs)
    count = 2_000
    samples = predictive.sample(count, seed=3).numpy()
    assert samples.shape == (count, *predictive.mean().shape)
    error = predictive.stddev().numpy() / np.sqrt(count)
    assert np.max(np.abs(samples.mean(axis=0) - predictive.mean()) / error) < z_limit
    for q in (0.1, 0.5, 0.95):
        at = predictive.quantile(q).numpy()
        p = predictive.cdf(at).numpy()
        error = np.sqrt(np.maximum(p * (1 - p), 1e-9) / count)
        assert np.max(np.abs((samples <= at).mean(axis=0) - p) / error) < z_limit
    np.testing.assert_array_equal(predictive.sample(2, seed=3), predictive.sample(2, seed=3))
    assert np.any(predictive.sample(50, seed=4).numpy() != samples[:50])


def check_gradients(descriptor: Descriptor, likelihood) -> None:
    """Of outputs and of learned variables, against central differences."""
    outputs, targets = example(descriptor)
    outputs = tf.Variable(outputs)
    variables = [v.value for v in likelihood.trainable_variables]

    def total():
        return tf.reduce_sum(likelihood.log_prob(outputs, targets))

    with tf.GradientTape() as tape:
        value = total()
    gradients = tape.gradient(value, [outputs, *variables])
    for variable, gradient in zip([outputs, *variables], gradients, strict=True):
        assert gradient is not None, variable.name
        assert np.all(np.isfinite(gradient)), variable.name
        step = 1e-5 if variable.dtype == tf.float64 else 1e-2
        place = (0,) * variable.shape.rank
        start = variable.numpy()
        moved = []
        for sign in (1, -1):
            values = start.copy()
            values[place] += sign * step
            variable.assign(values)
            moved.append(float(total()))
        variable.assign(start)
        slope = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(gradient.numpy()[place], slope, rtol=2e-3, atol=2e-3)
