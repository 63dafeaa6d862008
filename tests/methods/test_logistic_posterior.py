"""Samplers on a logistic regression of two weights, beside the posterior by quadrature."""

import keras
import numpy as np
import pytest

import bnn
from bnn.data import ResidentBatches
from bnn.diagnostics import Law
from bnn.diagnostics.chains import law_rows
from bnn.methods import HMC, NUTS, SGHMC, SGLD, Problem
from bnn.posteriors import points
from bnn.training import TrainingSteps

NUM_TRAIN, PRIOR_SCALE = 20, 1.5
CHAINS = {"warm_start": 0, "burn_in": 0.1, "thinning": 1, "step_size": 0.1}
# What is taken, over how many steps, in batches of which size, and the deviation that is allowed.
CASES = {
    "HMC": (lambda: HMC(8, **CHAINS), 6000, NUM_TRAIN, 0.02),
    "NUTS": (lambda: NUTS(**CHAINS), 5000, NUM_TRAIN, 0.02),
    "SGHMC": (
        lambda: SGHMC(0.02, momentum=0.9, warm_start=0, burn_in=0.1, thinning=20),
        80_000,
        NUM_TRAIN,
        0.05,
    ),
    "SGLD": (lambda: SGLD(0.03, warm_start=0, burn_in=0.1, thinning=20), 80_000, NUM_TRAIN, 0.05),
}


def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(NUM_TRAIN, 2)).astype(np.float32)
    y = rng.uniform(size=NUM_TRAIN) < 1 / (1 + np.exp(-2 * x[:, 0] + x[:, 1]))
    return x, y.astype(np.int32)


def posterior():
    """Mean and covariance of p(w | y) ∝ ∏ σ(±xᵀw) N(w; 0, s²), by the trapezoidal rule."""
    x, y = data()
    axis = np.linspace(-8, 12, 801)
    w = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    logits = w @ x.T.astype(np.float64)
    log_p = -np.logaddexp(0, np.where(y, -logits, logits)).sum(1)
    log_p -= 0.5 * (w**2).sum(1) / PRIOR_SCALE**2
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = p @ w
    return Law(mean, (w - mean).T @ (p[:, np.newaxis] * (w - mean)))


def sampled(method, num_steps, batch_size):
    layer = {"use_bias": False, "kernel_prior": bnn.priors.Normal(0.0, PRIOR_SCALE)}
    with points():
        model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(1, **layer)])
    likelihood = bnn.likelihoods.Bernoulli()
    likelihood.build(1)
    x, y = data()
    method.build(Problem(model, likelihood, NUM_TRAIN, num_steps, 0))
    batches = ResidentBatches(x, y.reshape(-1, 1), batch_size=batch_size, seed=0)
    steps = TrainingSteps(method, batches, 0, steps_per_call=20)
    step = 0
    while step < num_steps:
        end = min(num_steps, step + 20, method.archive.next_after(step))
        steps(step, end - step)
        step = end
        method.archive.note(step)
    return method.samples()[0][..., 0].astype(np.float64)


def test_quadrature_has_converged():
    law = posterior()
    assert np.linalg.eigvalsh(law.covariance).min() > 0.1
    assert law.mean[0] > 0.5 > law.mean[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_mean_and_covariance_are_those_of_quadrature(name):
    make, num_steps, batch_size, tolerance = CASES[name]
    rows = law_rows(sampled(make(), num_steps, batch_size), posterior(), 1e-7, tolerance)
    assert [row.verdict.value for row in rows] == ["pass", "pass"], rows
