"""A Bayesian linear regression with correlated weights: how near each family comes to it.

y = X W + N(0, τ²), W `[3, 2]`, w_ij ~ N(0, s_ij²) with a scale of its own: columns of X are
correlated, so the posterior is, and it is no Kronecker product. The exact −ELBO is minimised by
L-BFGS, and where the KL to the prior is sampled by Adam; the KL to the exact posterior is that of
two normals, or by samples.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import numpy as np
import scipy.optimize
import tensorflow as tf

import bnn
from bnn import posteriors as q
from bnn.noise import Noise

N, TAU = 20, 0.5
ROWS, COLUMNS = 3, 2
SCALES = np.array([[1.0, 0.3], [0.5, 1.5], [2.0, 0.4]])
NORMAL = {
    "MeanFieldNormal": lambda: q.MeanFieldNormal(0.2),
    "KTiedNormal, K = 2": lambda: q.KTiedNormal(2, 0.2),
    "LowRankNormal, K = 1": lambda: q.LowRankNormal(1, 0.2),
    "LowRankNormal, K = 2": lambda: q.LowRankNormal(2, 0.2),
    "LowRankNormal, K = 3": lambda: q.LowRankNormal(3, 0.2),
    "MatrixNormal": lambda: q.MatrixNormal(0.2),
    "FullCovarianceNormal": lambda: q.FullCovarianceNormal(0.2),
}
OTHERS = {
    "Radial": lambda: q.Radial(0.5),
    "Mixture, K = 2": lambda: q.Mixture(2, 0.2),
    "CouplingFlow": lambda: q.CouplingFlow(4, 16, 0.2),
}


@functools.cache
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, Y, and mean and precision of the exact posterior of the flattened weights."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=(N, 1))
    design = common + 0.35 * rng.normal(size=(N, ROWS))
    targets = design @ rng.normal(size=(ROWS, COLUMNS)) + TAU * rng.normal(size=(N, COLUMNS))
    precision = np.kron(design.T @ design, np.eye(COLUMNS)) / TAU**2
    precision += np.diag(1 / SCALES.ravel() ** 2)
    mean = np.linalg.solve(precision, (design.T @ targets).ravel() / TAU**2)
    return design, targets, mean, precision


def make(posterior: q.Posterior) -> tuple[keras.Model, q.Posterior]:
    """The model, and its kernel's posterior."""
    keras.utils.set_random_seed(2)
    layer = bnn.layers.Dense(
        COLUMNS,
        use_bias=False,
        kernel_posterior=posterior,
        kernel_prior=bnn.priors.ArrayNormal(0.0, SCALES),
    )
    return keras.Sequential([keras.Input((ROWS,)), layer]), layer.kernel.posterior


def negative_elbo(model: keras.Model, posterior: q.Posterior) -> tf.Tensor:
    """−ELBO in nats: the likelihood by mean and covariance, the KL by the ledger."""
    design, targets = (tf.constant(a, tf.float32) for a in problem()[:2])
    residual = targets - tf.matmul(design, posterior.mean)
    jacobian = tf.constant(np.kron(problem()[0], np.eye(COLUMNS)), tf.float32)
    variance = tf.reduce_sum(tf.matmul(jacobian, posterior.covariance()) * jacobian)
    squares = (tf.reduce_sum(tf.square(residual)) + variance) / (2 * TAU**2)
    constant = N * COLUMNS * 0.5 * np.log(2 * np.pi * TAU**2)
    return squares + constant + bnn.ledger(model)["0_dense/kernel"]


def optimise(model: keras.Model, posterior: q.Posterior) -> None:
    """L-BFGS on the exact −ELBO."""
    variables = posterior.variables
    sizes = [int(np.prod(v.shape)) for v in variables]

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = negative_elbo(model, posterior)
        return loss, tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")

    def assign(flat: np.ndarray) -> None:
        for variable, part in zip(variables, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
            variable.assign(part.reshape(variable.shape))

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        assign(flat)
        loss, gradients = step()
        return float(loss), np.concatenate([np.float64(g).ravel() for g in gradients])

    start = np.concatenate([v.numpy().ravel() for v in variables]).astype(np.float64)
    best = scipy.optimize.minimize(value, start, jac=True, method="L-BFGS-B", options={
        "maxiter": 2000, "maxcor": 50, "ftol": 1e-12, "gtol": 1e-5})  # fmt: skip
    assign(best.x)


def descend(model: keras.Model, steps: int = 2000) -> None:
    """Adam on the sampled bound, four samples a step, sticking the landing."""
    likelihood = bnn.likelihoods.Normal(TAU)
    likelihood.build()
    objective = bnn.objectives.StickingTheLanding(likelihood, num_train=N, num_samples=4)
    design, targets = (tf.constant(a, tf.float32) for a in problem()[:2])
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, steps))
    optimizer.build(model.trainable_variables)

    def body(step: tf.Tensor) -> tuple[tf.Tensor]:
        with tf.GradientTape() as tape:
            estimator, noise = bnn.estimators.Reparameterization(), Noise(7, step)
            loss = objective(model, design, targets, estimator=estimator, noise=noise).loss
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return (step + 1,)

    @tf.function(jit_compile=True, autograph=False)
    def train() -> Any:
        return tf.while_loop(lambda step: step < steps, body, (tf.constant(0),))

    train()


def sampled_kl(posterior: q.Posterior, count: int = 2**14) -> tuple[float, float]:
    """E_q[ln q − ln p] to the exact posterior in nats, and its standard error."""

    @tf.function(jit_compile=True, autograph=False)
    def samples() -> Any:
        def one(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            w = posterior.sample(Noise(9, step))
            return tf.reshape(w, [-1]), posterior.log_prob(w)

        spec = (tf.TensorSpec((ROWS * COLUMNS,)), tf.TensorSpec(()))
        return tf.map_fn(one, tf.range(count), fn_output_signature=spec)

    _, _, mean, precision = problem()
    weights, log_q = (part.numpy().astype(np.float64) for part in samples())
    shift = weights - mean
    log_p = -0.5 * np.einsum("ni,ij,nj->n", shift, precision, shift)
    log_p += 0.5 * np.linalg.slogdet(precision / (2 * np.pi))[1]
    return (log_q - log_p).mean(), (log_q - log_p).std() / math.sqrt(count)


def normal_kl(mean: np.ndarray, covariance: np.ndarray) -> float:
    """KL(N(mean, covariance) ‖ exact posterior) in nats."""
    _, _, exact_mean, precision = problem()
    shift = mean - exact_mean
    squares = np.trace(precision @ covariance) + shift @ precision @ shift - len(mean)
    log_dets = np.linalg.slogdet(precision)[1] + np.linalg.slogdet(covariance)[1]
    return 0.5 * (squares - log_dets)


def mean_field_kl() -> float:
    """The least of mean fields: ½ (Σ ln Λᵢᵢ − ln det Λ), at σᵢ² = 1 / Λᵢᵢ."""
    precision = problem()[3]
    return 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])


def matrix_normal_kl() -> float:
    """The least of matrix normals: the fixed point U⁻¹ = E_V[Λ] / m, V⁻¹ = E_U[Λ] / n."""
    precision = problem()[3].reshape(ROWS, COLUMNS, ROWS, COLUMNS)
    rows, columns = np.eye(ROWS), np.eye(COLUMNS)
    for _ in range(500):
        rows = np.linalg.inv(np.einsum("ijkl,jl->ik", precision, columns) / COLUMNS)
        columns = np.linalg.inv(np.einsum("ijkl,ik->jl", precision, rows) / ROWS)
    return normal_kl(problem()[2], np.kron(rows, columns))


def measure(fast: bool = False) -> dict[str, tuple[float, float]]:
    """KL to the exact posterior and its standard error, 0 where it is exact, by family."""
    found = {}
    for name, family in NORMAL.items():
        model, posterior = make(family())
        optimise(model, posterior)
        covariance = np.float64(posterior.covariance())
        found[name] = normal_kl(np.float64(posterior.mean).ravel(), covariance), 0.0
    for name, family in OTHERS.items():
        model, posterior = make(family())
        descend(model, 20 if fast else 2000)
        found[name] = sampled_kl(posterior, 2**8 if fast else 2**14)
    return found
