"""Every likelihood of the table against its reference; see `checks`."""

import inspect

import gin
import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

from bnn import likelihoods
from tests.likelihoods import checks
from tests.likelihoods.descriptors import BY_NAME, COLUMNS, DESCRIPTORS, WRAPPERS, B, S

EVERY = pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda d: d.name)
OF_COLUMNS = pytest.mark.parametrize("descriptor", COLUMNS, ids=lambda d: d.name)


def test_every_public_likelihood_stands_in_the_table():
    public = {
        name
        for name in likelihoods.__all__
        if issubclass(getattr(likelihoods, name), likelihoods.Likelihood)
        and not inspect.isabstract(getattr(likelihoods, name))
    }
    assert public == set(BY_NAME) | WRAPPERS


@EVERY
def test_log_prob(descriptor):
    checks.check_log_prob(descriptor, descriptor.built())


@EVERY
def test_tails(descriptor):
    checks.check_tails(descriptor, descriptor.built())


@EVERY
def test_gradients(descriptor):
    checks.check_gradients(descriptor, descriptor.built())


@pytest.mark.parametrize(
    "descriptor", [d for d in DESCRIPTORS if d.name != "SoftCategorical"], ids=lambda d: d.name
)
def test_mixture(descriptor):
    checks.check_mixture(descriptor, descriptor.built())


@OF_COLUMNS
def test_moments(descriptor):
    checks.check_moments(descriptor, descriptor.built())


@OF_COLUMNS
def test_cdf_and_quantile(descriptor):
    checks.check_cdf_and_quantile(descriptor, descriptor.built())


@OF_COLUMNS
def test_crps(descriptor):
    checks.check_crps(descriptor, descriptor.built())


def test_crps_of_counts_in_millions():
    """One wild component does not make a sum of millions of terms: the score is that of points."""
    rates = np.array([3e6, 3.1e6])
    predictive = likelihoods.Poisson().predictive(np.log(rates)[:, None, None])
    y = 3.02e6
    normals = scipy.stats.norm(rates, np.sqrt(rates))  # as Poissons of such rates are
    t = np.linspace(2.9e6, 3.2e6, 300_001)
    expected = scipy.integrate.trapezoid((normals.cdf(t[:, None]).mean(axis=1) - (t >= y)) ** 2, t)
    np.testing.assert_allclose(predictive.crps([y])[0, 0], expected, rtol=2e-4)


@OF_COLUMNS
def test_samples(descriptor, z_limit):
    checks.check_samples(descriptor, descriptor.built(), z_limit)


@EVERY
def test_first_use_in_eager_mode_graph_and_xla(descriptor, modes):
    outputs, targets = checks.example(descriptor)
    likelihood = descriptor.built()
    results = modes(likelihood.log_prob, tf.constant(outputs, tf.float32), tf.constant(targets))
    for result in results.values():
        assert result.shape == (B,)
        np.testing.assert_allclose(result, results["eager"], rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
@OF_COLUMNS
def test_predictive_in_eager_mode_graph_and_xla(descriptor, modes):
    outputs, _ = checks.example(descriptor, S, B)
    likelihood = descriptor.built()

    def say(samples):
        predictive = likelihood.predictive(samples)
        return predictive.mean(), predictive.variance(), predictive.quantile([0.1, 0.9])

    results = modes(say, tf.constant(outputs))
    for result in results.values():
        for a, b in zip(result, results["eager"], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@EVERY
def test_targets_outside_of_the_support(descriptor):
    outputs, _ = checks.example(descriptor)
    assert descriptor.bad
    for targets, message in descriptor.bad:
        with pytest.raises(ValueError, match=message):
            descriptor.built().log_prob(tf.constant(outputs), targets)


@EVERY
def test_targets_outside_of_the_support_that_only_a_compiled_function_sees(descriptor):
    outputs, _ = checks.example(descriptor)
    likelihood = descriptor.built()
    function = tf.function(likelihood.log_prob, jit_compile=True, autograph=False)
    for targets, _ in descriptor.bad:
        bad = np.isnan(function(tf.constant(outputs), tf.constant(targets)))
        every = descriptor.name == "SoftCategorical"
        np.testing.assert_array_equal(bad, every | (np.arange(B) == 2))


@EVERY
def test_outputs_and_targets_of_another_shape(descriptor):
    outputs, targets = checks.example(descriptor)
    likelihood = descriptor.built()
    assert likelihood.num_outputs(descriptor.num_targets) == outputs.shape[-1]
    for wrong_outputs, wrong_targets in (
        (outputs[:, None], targets),
        (outputs[:, 0], targets),
        ([outputs, outputs], targets),
        (outputs, targets[:2]),
        (outputs, np.stack([targets] * 2)),
        (outputs, [targets, targets]),
        (np.concatenate([outputs, outputs[:, :1]], axis=-1), targets),
    ):
        if descriptor.name == "Categorical" and np.shape(wrong_outputs) == (B, 5):
            continue  # a fifth class
        with pytest.raises(ValueError, match=f"{descriptor.name}"):
            likelihood.log_prob(wrong_outputs, wrong_targets)


@EVERY
def test_configuration_and_gin(descriptor, clean_gin):
    likelihood = descriptor.make()
    config = keras.saving.serialize_keras_object(likelihood)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(likelihood)
    assert copy.get_config() == likelihood.get_config()
    copy.build(descriptor.num_targets)
    outputs, targets = checks.example(descriptor)
    np.testing.assert_array_equal(
        copy.log_prob(tf.constant(outputs), targets),
        descriptor.built().log_prob(tf.constant(outputs), targets),
    )
    made = gin.get_configurable(f"bnn.likelihoods.{descriptor.name}")()
    assert type(made).__name__ == descriptor.name


@EVERY
def test_learned_variables_are_for_one_number_of_targets(descriptor):
    likelihood = descriptor.built()
    assert likelihood.task in {"classification", "regression", "multilabel", "counts", "survival"}
    before = list(likelihood.variables)
    likelihood.build(descriptor.num_targets)
    assert all(a is b for a, b in zip(before, likelihood.variables, strict=True))
    if before and descriptor.name != "Weibull":  # whose targets are one time
        with pytest.raises(ValueError, match=f"{descriptor.name} was built for"):
            likelihood.build(descriptor.num_targets + 1)


@pytest.mark.parametrize(
    "name",
    [
        "Beta",
        "Gamma",
        "Laplace",
        "LogNormal",
        "NegativeBinomial",
        "Quantile",
        "StudentT",
        "Weibull",
    ],
)
def test_numbers_that_are_learned(name):
    """By default, one per column, from the first targets on; or fixed."""
    descriptor = BY_NAME[name]
    outputs, targets = checks.example(descriptor)
    likelihood = descriptor.make()
    with pytest.raises(ValueError, match=f"{name}\\(trainable=True\\) has no variables yet"):
        likelihood.trainable_variables  # noqa: B018
    first = likelihood.log_prob(tf.constant(outputs), targets)
    [variable] = likelihood.trainable_variables
    assert variable.shape == (descriptor.num_targets,)
    fixed = type(likelihood).from_config({**likelihood.get_config(), "trainable": False})
    np.testing.assert_allclose(fixed.log_prob(tf.constant(outputs), targets), first, rtol=1e-5)
    fixed.build(descriptor.num_targets)
    assert fixed.trainable_variables == []


# --- Defects are caught ---------------------------------------------------------------------------


class NoFactorial(likelihoods.Poisson):
    def log_density(self, y, *parameters):
        return y * parameters[0] - tf.exp(parameters[0])


class NoTwo(likelihoods.Laplace):
    def log_density(self, y, *parameters):
        return super().log_density(y, *parameters) + np.log(2)


class NormalVariance(likelihoods.StudentT):
    def variance(self, *parameters):
        return parameters[1] ** 2 + tf.zeros_like(parameters[0])


class OpenCdf(likelihoods.NegativeBinomial):
    """P(Y < y) in place of P(Y ≤ y)."""

    def cdf(self, y, *parameters):
        return super().cdf(y - 1, *parameters)


class MirroredQuantile(likelihoods.Gamma):
    def quantile(self, q, *parameters):
        return super().quantile(1 - q, *parameters)


class NoCorrelation(likelihoods.MultivariateNormal):
    def joint_log_density(self, y, *parameters):
        return tf.reduce_sum(self.log_density(y, *parameters), axis=-1)


class StoppedScale(likelihoods.LogNormal):
    def parameters(self, outputs):
        loc, scale = super().parameters(outputs)
        return loc, tf.stop_gradient(scale)


class CensoredAsSeen(likelihoods.Weibull):
    def censored(self, times, events, *parameters):
        return super().censored(times, tf.ones_like(events), *parameters)


@pytest.mark.parametrize(
    ("name", "make", "check"),
    [
        ("Poisson", NoFactorial, checks.check_log_prob),
        ("Laplace", lambda: NoTwo(0.6), checks.check_log_prob),
        ("StudentT", lambda: NormalVariance(0.8, 4.5), checks.check_moments),
        ("NegativeBinomial", lambda: OpenCdf(1.7), checks.check_cdf_and_quantile),
        ("NegativeBinomial", lambda: OpenCdf(1.7), checks.check_crps),
        ("Gamma", lambda: MirroredQuantile(2.5), checks.check_cdf_and_quantile),
        ("MultivariateNormal", NoCorrelation, checks.check_mixture),
        ("LogNormal", lambda: StoppedScale(0.5), checks.check_gradients),
        ("Weibull", lambda: CensoredAsSeen(1.5), checks.check_log_prob),
    ],
)
def test_a_planted_defect_is_caught(name, make, check):
    descriptor = BY_NAME[name]
    check(descriptor, descriptor.built())
    defective = make()
    defective.build(descriptor.num_targets)
    with pytest.raises(AssertionError):
        check(descriptor, defective)


def test_a_mirrored_draw_is_caught(z_limit):
    class Mirrored(likelihoods.Gamma):
        def draw(self, uniform, *parameters):
            return 2 * self.mean(*parameters) - self.quantile(uniform, *parameters)

    descriptor = BY_NAME["Gamma"]
    defective = Mirrored(2.5)
    defective.build(2)
    with pytest.raises(AssertionError):
        checks.check_samples(descriptor, defective, z_limit)
