import numpy as np
import pytest
import tensorflow as tf
from linear_gaussian import Regression

import bnn
from bnn.estimators import (
    BySite,
    LeaveOneOut,
    NoBaseline,
    OptimalCoefficient,
    Reparameterization,
    RunningMean,
    ScoreFunction,
)
from bnn.objectives import NegativeELBO


@pytest.fixture(scope="module")
def simulated():
    """4,000 steps of three samples with every baseline."""
    problem = Regression(3, use_bias=False)
    problem.set_off_posterior()
    baselines = {"none": None, "loo": LeaveOneOut(), "optimal": OptimalCoefficient()}
    losses = {
        name: problem.objective(NegativeELBO, ScoreFunction(baseline), 3)
        for name, baseline in baselines.items()
    }
    return problem, problem.simulate(losses, 4000)


def test_leave_one_out_formula(rng):
    """bₛ = Σ_{j≠s} fⱼ nⱼ / Σ_{j≠s} nⱼ."""
    f, n = rng.normal(size=5), rng.uniform(1, 2, size=5)
    b = OptimalCoefficient()(tf.constant(f, tf.float32), tf.constant(n, tf.float32)).numpy()
    for s in range(5):
        rest = np.arange(5) != s
        assert b[s] == pytest.approx(np.sum(f[rest] * n[rest]) / np.sum(n[rest]), rel=1e-5)


def test_does_not_depend_on_its_own_sample(rng):
    f, n = (tf.constant(rng.uniform(1, 2, size=4), tf.float32) for _ in range(2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([f, n])
        b = OptimalCoefficient()(f, n)
    for argument in (f, n):
        jacobian = tape.jacobian(b, argument, experimental_use_pfor=False).numpy()
        np.testing.assert_allclose(np.diag(jacobian), 0, atol=1e-6)
        assert np.all(np.abs(jacobian[~np.eye(4, dtype=bool)]) > 1e-4)


def test_a_constant_is_removed_entirely():
    b = OptimalCoefficient()(tf.fill([3], 7.0), tf.constant([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(b, 7.0, rtol=1e-6)


def test_scores_of_zero_give_zero():
    np.testing.assert_array_equal(OptimalCoefficient()(tf.ones(3), tf.zeros(3)), np.zeros(3))


def test_reaches_the_closed_form(rng):
    """For f = Σ (w − k)², w ~ N(μ, σ²), a = μ − k: b* = E[f n] / E[n] = D σ² + 2 σ² + Σ a².

    n = Σ ε² / σ², E[ε² Σ ε²] = (D + 2) and odd moments vanish.
    """
    a, sigma, count = np.array([1.0, -0.5, 2.0]), 0.7, 400_000
    epsilon = rng.normal(size=(count, 3))
    f = np.sum((a + sigma * epsilon) ** 2, axis=1).astype(np.float32)
    n = (np.sum(epsilon**2, axis=1) / sigma**2).astype(np.float32)
    b = OptimalCoefficient()(tf.constant(f), tf.constant(n)).numpy()
    assert b.mean() == pytest.approx(5 * sigma**2 + np.sum(a**2), rel=0.01)


def test_gradient_is_unbiased(simulated, assert_mean):
    problem, rows = simulated
    exact = problem.exact_gradient()
    for _, gradients in rows.values():
        assert_mean(gradients, exact)


def test_variance_is_lower_than_without(simulated):
    _, rows = simulated
    trace = {name: gradients.var(axis=0).sum() for name, (_, gradients) in rows.items()}
    assert trace["optimal"] < 0.5 * trace["none"]
    assert trace["optimal"] < 1.2 * trace["loo"]


def test_score_norm_of_a_draw(rng):
    """‖∇_w log q(w)‖² = Σ ((w − μ) / σ²)² over all score-function sites."""
    layer = bnn.layers.Dense(2, kernel_posterior=bnn.posteriors.MeanFieldNormal(0.3))
    layer.build((None, 3))
    norms = {}
    for name, estimator in {
        "all": ScoreFunction(OptimalCoefficient()),
        "kernel": BySite(
            {"*/kernel": ScoreFunction(OptimalCoefficient())}, default=Reparameterization()
        ),
        "unused": ScoreFunction(RunningMean()),
    }.items():
        with bnn.Draw(1, estimator) as draw:
            layer(tf.ones((1, 3)))
        norms[name] = float(draw.score_norm)
        exact = [
            float(tf.reduce_sum(((w - site.posterior.mean) / site.posterior.scale**2) ** 2))
            for site, w in draw.weights.items()
        ]
    assert norms["all"] == pytest.approx(sum(exact), rel=1e-4)
    assert norms["kernel"] == pytest.approx(exact[0], rel=1e-4)
    assert norms["unused"] == 0


def test_only_this_baseline_asks_for_norms():
    assert OptimalCoefficient().needs_score_norm
    assert not any(b.needs_score_norm for b in (NoBaseline(), LeaveOneOut(), RunningMean()))


def test_needs_two_samples():
    problem = Regression()
    loss = problem.objective(NegativeELBO, ScoreFunction(OptimalCoefficient()), 1)
    with pytest.raises(ValueError, match="the optimal-coefficient baseline needs num_samples of"):
        loss(0)
