"""The conjugate regression's closed forms against independent ones."""

import numpy as np
import pytest
from scipy import optimize, stats

from bnn.diagnostics import ConjugateRegression
from bnn.posteriors import FullCovarianceNormal, MeanFieldNormal


@pytest.fixture(scope="module")
def regression():
    return ConjugateRegression()


def log_joint(regression, weights):
    residual = regression.targets[:, 0] - regression.inputs @ weights
    prior = stats.norm(regression.prior_loc, regression.prior_scale)
    noise = stats.norm(0, regression.noise_scale)
    return noise.logpdf(residual).sum() + prior.logpdf(weights).sum()


def test_the_exact_law_is_the_log_joint_up_to_the_evidence(regression):
    law = regression.exact()
    posterior = stats.multivariate_normal(law.mean, law.covariance)
    weights = np.random.default_rng(1).normal(size=(5, 3))
    evidence = [log_joint(regression, w) - posterior.logpdf(w) for w in weights]
    np.testing.assert_allclose(evidence, evidence[0], rtol=1e-6)


def test_the_mode_is_where_the_log_joint_is_greatest(regression):
    found = optimize.minimize(lambda w: -log_joint(regression, w), np.zeros(3), tol=1e-12)
    np.testing.assert_allclose(regression.mode().mean, found.x, atol=1e-5)
    assert not regression.mode().covariance.any()


def test_the_mean_field_law_has_the_least_kl_of_factorised_normals(regression):
    exact = regression.exact()

    def kl(parameters):
        """KL(q ‖ p) up to constants."""
        mean, log_scale = np.split(parameters, 2)
        away = mean - exact.mean
        spread = np.diag(regression.precision) @ np.exp(2 * log_scale)
        return 0.5 * (away @ regression.precision @ away + spread) - log_scale.sum()

    found = optimize.minimize(kl, np.r_[np.zeros(3), -np.ones(3)], tol=1e-12).x
    law = regression.mean_field()
    np.testing.assert_allclose(found[:3], law.mean, atol=1e-5)
    np.testing.assert_allclose(np.exp(2 * found[3:]), np.diag(law.covariance), rtol=1e-4)


def test_the_bias_of_the_mean_field_is_seen(regression):
    """More than what a check is allowed by default."""
    ratio = np.diag(regression.mean_field().covariance) / np.diag(regression.exact().covariance)
    assert ratio.max() < 0.8


def test_the_model_gives_its_weights_at_the_unit_vectors(regression):
    model = regression.model(MeanFieldNormal(), start=4)
    (kernel,) = model.layers[0].sites
    np.testing.assert_allclose(model(np.eye(3)), kernel.posterior.mean, rtol=1e-6)
    assert len(model.layers[0].sites) == 1


def test_builds_start_from_their_own_values(regression):
    others = {"total_steps": 5, "seed": 0, "optimizer": None, "jit_compile": False}
    problem = regression.problem(FullCovarianceNormal(), start=1, **others)
    again = regression.problem(FullCovarianceNormal(), start=1, **others)
    models = [problem.model, again.model, problem.make_model(), problem.make_model()]
    first, same, second, third = (model(np.eye(3)).numpy() for model in models)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
