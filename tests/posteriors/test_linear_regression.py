"""A Bayesian linear regression with correlated weights: how near each family comes to it.

y = X W + N(0, τ²), W `[3, 2]`, w_ij ~ N(0, s_ij²) with a scale of its own: columns of X are
correlated, so the posterior is, and it is no Kronecker product. With the precision Λ of vec W,

* mean field: KL = ½ (Σ ln Λᵢᵢ − ln det Λ), at σᵢ² = 1 / Λᵢᵢ;
* matrix normal: the fixed point U⁻¹ = E_V[Λ] / m, V⁻¹ = E_U[Λ] / n of its two factors;
* full covariance: 0; low rank: between full and mean field, and falling in K.
"""

import functools
import itertools

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

import bnn
from bnn import posteriors as q
from bnn.noise import Noise

N, TAU = 20, 0.5
ROWS, COLUMNS = 3, 2
SCALES = np.array([[1.0, 0.3], [0.5, 1.5], [2.0, 0.4]])


@functools.cache
def problem():
    """X, Y, and mean and precision of the exact posterior of the flattened weights."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=(N, 1))
    design = common + 0.35 * rng.normal(size=(N, ROWS))
    targets = design @ rng.normal(size=(ROWS, COLUMNS)) + TAU * rng.normal(size=(N, COLUMNS))
    precision = np.kron(design.T @ design, np.eye(COLUMNS)) / TAU**2
    precision += np.diag(1 / SCALES.ravel() ** 2)
    mean = np.linalg.solve(precision, (design.T @ targets).ravel() / TAU**2)
    return design, targets, mean, precision


def make(posterior):
    keras.utils.set_random_seed(2)
    layer = bnn.layers.Dense(
        COLUMNS,
        use_bias=False,
        kernel_posterior=posterior,
        kernel_prior=bnn.priors.ArrayNormal(0.0, SCALES),
    )
    model = keras.Sequential([keras.Input((ROWS,)), layer])
    return model, layer.kernel.posterior


def negative_elbo(model, posterior):
    """−ELBO in nats: the likelihood by mean and covariance, the KL by the ledger."""
    design, targets = (tf.constant(a, tf.float32) for a in problem()[:2])
    residual = targets - tf.matmul(design, posterior.mean)
    jacobian = tf.constant(np.kron(problem()[0], np.eye(COLUMNS)), tf.float32)
    variance = tf.reduce_sum(tf.matmul(jacobian, posterior.covariance()) * jacobian)
    squares = (tf.reduce_sum(tf.square(residual)) + variance) / (2 * TAU**2)
    constant = N * COLUMNS * 0.5 * np.log(2 * np.pi * TAU**2)
    return squares + constant + bnn.ledger(model)["0_dense/kernel"]


def optimise(model, posterior):
    """L-BFGS on the exact −ELBO."""
    variables = posterior.variables
    sizes = [int(np.prod(v.shape)) for v in variables]

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = negative_elbo(model, posterior)
        return loss, tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")

    def assign(flat):
        for variable, part in zip(variables, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
            variable.assign(part.reshape(variable.shape))

    def value(flat):
        assign(flat)
        loss, gradients = step()
        return float(loss), np.concatenate([np.float64(g).ravel() for g in gradients])

    start = np.concatenate([v.numpy().ravel() for v in variables]).astype(np.float64)
    best = scipy.optimize.minimize(value, start, jac=True, method="L-BFGS-B", options={
        "maxiter": 2000, "maxcor": 50, "ftol": 1e-12, "gtol": 1e-5})  # fmt: skip
    assign(best.x)


def normal_kl(mean, covariance):
    """KL(N(mean, covariance) ‖ exact posterior) in nats."""
    _, _, exact_mean, precision = problem()
    shift = mean - exact_mean
    squares = np.trace(precision @ covariance) + shift @ precision @ shift - len(mean)
    log_dets = np.linalg.slogdet(precision)[1] + np.linalg.slogdet(covariance)[1]
    return 0.5 * (squares - log_dets)


def mean_field_kl():
    precision = problem()[3]
    return 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])


def matrix_normal_kl():
    precision = problem()[3].reshape(ROWS, COLUMNS, ROWS, COLUMNS)
    rows, columns = np.eye(ROWS), np.eye(COLUMNS)
    for _ in range(500):
        rows = np.linalg.inv(np.einsum("ijkl,jl->ik", precision, columns) / COLUMNS)
        columns = np.linalg.inv(np.einsum("ijkl,ik->jl", precision, rows) / ROWS)
    return normal_kl(problem()[2], np.kron(rows, columns))


FAMILIES = {
    "mean field": lambda: q.MeanFieldNormal(0.2),
    "low rank 1": lambda: q.LowRankNormal(1, 0.2),
    "low rank 2": lambda: q.LowRankNormal(2, 0.2),
    "low rank 3": lambda: q.LowRankNormal(3, 0.2),
    "matrix": lambda: q.MatrixNormal(0.2),
    "full": lambda: q.FullCovarianceNormal(0.2),
}


@functools.cache
def optimised(name):
    model, posterior = make(FAMILIES[name]())
    optimise(model, posterior)
    covariance = np.float64(posterior.covariance())
    return model, posterior, normal_kl(np.float64(posterior.mean).ravel(), covariance)


@pytest.mark.slow
def test_the_order_that_theory_says():
    kl = {name: optimised(name)[2] for name in FAMILIES}
    print(kl, mean_field_kl(), matrix_normal_kl())
    assert kl["mean field"] == pytest.approx(mean_field_kl(), abs=0.01)
    assert kl["matrix"] == pytest.approx(matrix_normal_kl(), abs=0.01)
    assert 0 <= kl["full"] < 0.02
    order = ["mean field", "low rank 1", "low rank 2", "low rank 3"]
    for wide, narrow in itertools.pairwise(order):
        assert kl[narrow] < kl[wide] + 0.002
    assert kl["low rank 1"] < kl["mean field"] - 0.2
    assert kl["matrix"] < kl["mean field"] - 0.2
    assert kl["full"] < kl["low rank 3"] + 0.002


@pytest.mark.slow
@pytest.mark.parametrize("name", ["low rank 2", "matrix", "full"])
def test_the_objective_is_stationary_there(name, assert_mean):
    """NegativeELBO at the optimum: N times its loss is the exact −ELBO, its gradient zero."""
    model, posterior, _ = optimised(name)
    likelihood = bnn.likelihoods.Normal(TAU)
    likelihood.build()
    objective = bnn.objectives.NegativeELBO(likelihood, num_train=N)
    design, targets = (tf.constant(a, tf.float32) for a in problem()[:2])
    variables = [v.value for v in posterior.variables]

    @tf.function(jit_compile=True, autograph=False)
    def run():
        def one(step):
            with tf.GradientTape() as tape:
                loss = objective(
                    model,
                    design,
                    targets,
                    estimator=bnn.estimators.Reparameterization(),
                    noise=Noise(3, step),
                ).loss
            gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
            return loss, tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)

        count = sum(int(np.prod(v.shape)) for v in variables)
        spec = (tf.TensorSpec(()), tf.TensorSpec((count,)))
        return tf.map_fn(one, tf.range(2**13), fn_output_signature=spec)

    losses, gradients = (part.numpy().astype(np.float64) for part in run())
    assert_mean(N * losses[:, np.newaxis], float(negative_elbo(model, posterior)))
    moving = gradients.std(axis=0) > 1e-7
    error = gradients[:, moving].std(axis=0) / len(gradients) ** 0.5
    # what L-BFGS leaves in float32
    assert np.all(np.abs(gradients[:, moving].mean(axis=0)) < 6 * error + 2e-3)


@pytest.mark.slow
def test_the_flow_comes_nearer_than_the_mean_field():
    """Trained by the objective's gradient; its KL by a long run against the exact posterior."""
    model, posterior = make(q.CouplingFlow(4, 16, 0.2))
    likelihood = bnn.likelihoods.Normal(TAU)
    likelihood.build()
    objective = bnn.objectives.StickingTheLanding(likelihood, num_train=N, num_samples=4)
    design, targets = (tf.constant(a, tf.float32) for a in problem()[:2])
    steps = 2000
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, steps))
    optimizer.build(model.trainable_variables)

    def body(step):
        with tf.GradientTape() as tape:
            loss = objective(
                model,
                design,
                targets,
                estimator=bnn.estimators.Reparameterization(),
                noise=Noise(7, step),
            ).loss
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return (step + 1,)

    @tf.function(jit_compile=True, autograph=False)
    def train():
        return tf.while_loop(lambda step: step < steps, body, (tf.constant(0),))

    train()

    @tf.function(jit_compile=True, autograph=False)
    def samples():
        def one(step):
            w = posterior.sample(Noise(9, step))
            return tf.reshape(w, [-1]), posterior.log_prob(w)

        spec = (tf.TensorSpec((ROWS * COLUMNS,)), tf.TensorSpec(()))
        return tf.map_fn(one, tf.range(2**14), fn_output_signature=spec)

    _, _, mean, precision = problem()
    weights, log_q = (part.numpy().astype(np.float64) for part in samples())
    shift = weights - mean
    log_p = -0.5 * np.einsum("ni,ij,nj->n", shift, precision, shift)
    log_p += 0.5 * np.linalg.slogdet(precision / (2 * np.pi))[1]
    kl = (log_q - log_p).mean()
    error = (log_q - log_p).std() / len(log_q) ** 0.5
    print("flow", kl, "±", error)
    assert kl + 6 * error < 0.5 * mean_field_kl()
    assert kl > -6 * error
