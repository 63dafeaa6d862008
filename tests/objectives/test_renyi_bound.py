"""Rényi's bound: one weight, S = 2, against quadrature, and its ends."""

import numpy as np
import pytest
import scipy.stats
from linear_gaussian import NOISE, NUM_TRAIN, PRIOR, Regression

from bnn.estimators import Flipout, Reparameterization
from bnn.methods import VariationalInference
from bnn.objectives import ImportanceWeightedBound, RenyiBound, StickingTheLanding


def one_weight():
    problem = Regression(1, use_bias=False)
    problem.set_off_posterior(0.5, 1.3)
    return problem


def exact_loss(problem, alpha, loc, unconstrained):
    """−E[L₂] / N by Gauss–Hermite quadrature over both weights."""
    scale = np.log1p(np.exp(unconstrained))
    z, mass = np.polynomial.hermite_e.hermegauss(60)
    w = loc + scale * z
    residual = problem.targets[:, np.newaxis] - problem.design * w
    log_v = scipy.stats.norm.logpdf(residual, scale=NOISE).sum(axis=0)
    log_v += scipy.stats.norm.logpdf(w, scale=PRIOR) - scipy.stats.norm.logpdf(w, loc, scale)
    powers = (1 - alpha) * log_v
    bound = (np.logaddexp(powers[:, np.newaxis], powers) - np.log(2)) / (1 - alpha)
    return -np.sum(np.outer(mass, mass) * bound) / mass.sum() ** 2 / NUM_TRAIN


class WithoutRoot(RenyiBound):
    """The factor 1/(1 − α) is missing."""

    def bound(self, *arguments):
        return (1 - self.alpha) * super().bound(*arguments)


@pytest.fixture(scope="module")
def simulated():
    problem = one_weight()
    estimator = Reparameterization()
    losses = {str(a): problem.objective(RenyiBound, estimator, 2, alpha=a) for a in (0.5, 1.5)}
    losses["defect"] = problem.objective(WithoutRoot, estimator, 2, alpha=0.5)
    return problem, problem.simulator(losses)(8000)


def exact(problem, alpha):
    """Value, and gradient in μ and ρ."""
    place = np.concatenate([v.numpy().ravel() for v in problem.variables]).astype(np.float64)
    steps = 1e-4 * np.eye(2)
    pairs = [[exact_loss(problem, alpha, *(place + s * h)) for s in (1, -1)] for h in steps]
    return exact_loss(problem, alpha, *place), [(a - b) / 2e-4 for a, b in pairs]


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_value_and_gradient_are_those_of_the_expected_bound(simulated, alpha, assert_mean):
    problem, rows = simulated
    value, gradient = exact(problem, alpha)
    assert_mean(rows[str(alpha)][0], value)
    assert_mean(rows[str(alpha)][1], gradient)


def test_a_missing_root_is_seen(simulated, assert_mean):
    problem, rows = simulated
    with pytest.raises(AssertionError):
        assert_mean(rows["defect"][0], exact(problem, 0.5)[0])


def test_its_ends_are_the_other_bounds():
    problem = one_weight()
    value = lambda kind, *a, **b: float(  # noqa: E731
        kind(problem.likelihood, NUM_TRAIN, *a, **b)(
            problem.model,
            problem.inputs,
            problem.targets,
            estimator=Reparameterization(),
            seed=3,
            step=0,
        ).loss
    )
    zero = value(RenyiBound, 4, alpha=1e-6)
    assert zero == pytest.approx(value(ImportanceWeightedBound, 4), rel=1e-5)
    one = value(RenyiBound, 4, alpha=1 - 1e-3)
    assert one == pytest.approx(value(StickingTheLanding, 4), rel=1e-3)


def test_a_run_can_use_it_and_others_are_refused():
    method = VariationalInference(Reparameterization(), RenyiBound(alpha=0.25))
    assert method.describe()["objective"] == "RenyiBound"
    for alpha in (0.0, 1, np.inf):
        with pytest.raises(ValueError, match="alpha must be positive and not 1, got"):
            RenyiBound(alpha=alpha)
    problem = one_weight()
    with pytest.raises(ValueError, match="needs the estimator Reparameterization, got Flipout"):
        problem.objective(RenyiBound, Flipout(), 2)(0)
