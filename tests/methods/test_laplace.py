"""The Laplace approximation against closed forms, NumPy and scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, stats
from sklearn.linear_model import LogisticRegression

from bnn.diagnostics import ConjugateRegression, check_method
from bnn.likelihoods import Bernoulli, Normal
from bnn.methods import Laplace
from bnn.posteriors import Point
from tests.methods.laplace_cases import (
    OPTIONS,
    Network,
    PerExample,
    Twice,
    conjugate,
    covariance,
    fitted,
    with_structure,
)

SLOW = pytest.mark.slow


def evidence(regression, precision=None, noise=None):
    """Ln N(y; X m₀, τ² I + X Xᵀ / δ), exact."""
    noise = regression.noise_scale if noise is None else noise
    precision = regression.prior_scale**-2 if precision is None else precision
    x, y = regression.inputs.astype(float), regression.targets[:, 0].astype(float)
    spread = noise**2 * np.eye(len(x)) + (x / precision) @ x.T
    return stats.multivariate_normal.logpdf(y, x @ np.full(3, regression.prior_loc), spread)


@pytest.mark.parametrize("structure", ["full", pytest.param("kfac", marks=SLOW)])
def test_linear_regression_has_its_exact_posterior_and_evidence(structure):
    case = conjugate()
    laplace = fitted(*case, Laplace(structure))
    variances, between = covariance(laplace)
    exact = case[0].exact().covariance
    np.testing.assert_allclose(variances, np.diag(exact), rtol=1e-5)
    np.testing.assert_allclose(between, exact[0, 1], rtol=1e-4)
    weights = laplace.functions(20_000, seed=1).arguments[0].numpy()[..., 0]
    whitened = np.linalg.solve(np.linalg.cholesky(exact), (weights - case[0].exact().mean).T)
    # 20,000 independent samples: standard errors of 0.007 and 0.01, six of them.
    assert np.abs(whitened.mean(1)).max() < 0.045
    assert np.abs(np.cov(whitened) - np.eye(3)).max() < 0.06
    known = evidence(case[0])
    assert float(laplace.log_marginal_likelihood()) == pytest.approx(known, abs=2e-5)
    assert laplace.describe()["log_marginal_likelihood"] == pytest.approx(known, abs=2e-5)


@SLOW
def test_the_diagonal_is_that_of_the_precision():
    case = conjugate()
    variances, between = covariance(fitted(*case, Laplace("diagonal")))
    np.testing.assert_allclose(variances, np.diag(case[0].mean_field().covariance), rtol=1e-5)
    assert abs(between) < 1e-6


@pytest.mark.parametrize("kind", [PerExample, Twice])
def test_planted_defects_are_seen(kind, monkeypatch):
    case = conjugate()
    laplace = fitted(*case, with_structure(kind, monkeypatch))
    exact = np.diag(case[0].exact().covariance)
    assert np.abs(covariance(laplace)[0] / exact - 1).max() > 0.1


@SLOW
def test_iterated_choice_of_prior_and_noise_maximises_the_evidence():
    """MacKay's iteration: choose δ and τ at the mode, find the mode for them, again.

    The derivative of ln det H in the weights is zero, so that its fixed point is the maximum of the
    closed form over δ and τ.
    """
    regression, model, likelihood = conjugate(trainable=True)
    x, y = regression.inputs.astype(float), regression.targets[:, 0].astype(float)
    for _ in range(25):
        laplace = Laplace("full", prior_precision="one", choose_noise=True)
        fitted(regression, model, likelihood, laplace)
        delta, tau = laplace.describe()["prior_precision"]["0_dense/kernel"], likelihood.scale[0]
        tau = float(tau)
        pull = x.T @ y / tau**2 + delta * regression.prior_loc
        mode = np.linalg.solve(x.T @ x / tau**2 + delta * np.eye(3), pull)
        model.layers[0].kernel_loc.assign(mode[:, None])
    best = optimize.minimize(
        lambda p: -evidence(regression, np.exp(p[0]), np.exp(p[1])), [0.0, 0.0], tol=1e-10
    )
    np.testing.assert_allclose([np.log(delta), np.log(tau)], best.x, atol=2e-3)
    assert laplace.describe()["log_marginal_likelihood"] == pytest.approx(-best.fun, abs=1e-4)
    again = laplace.log_marginal_likelihood(delta, 1.0)
    assert float(again) == pytest.approx(-best.fun, abs=1e-4)


def test_a_fit_builds_the_likelihood_for_the_models_outputs():
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    likelihood = Normal(scale=0.5, trainable=True)
    Laplace("full", prior_precision=1.0).fit(model, likelihood, (x, y))
    assert likelihood.variables[0].shape == (2,)
    one = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="built for 2 target columns"):
        Laplace("full", prior_precision=1.0).fit(one, likelihood, (x, y[:, :1]))


@SLOW
def test_the_marginal_likelihood_is_differentiable_by_layer():
    network = Network()
    laplace = network.fit(Laplace("kfac"))
    precision = tf.constant([0.7, 3.0], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(precision)
        value = laplace.log_marginal_likelihood(precision)
    step = np.array([1e-4, 0.0])
    beside = [float(laplace.log_marginal_likelihood(precision + s)) for s in (step, -step)]
    slope = float(tape.gradient(value, precision)[0])
    assert slope == pytest.approx((beside[0] - beside[1]) / 2e-4, rel=1e-5)
    chosen = Network().fit(Laplace("kfac", prior_precision="layer"))
    deltas = list(chosen.describe()["prior_precision"].values())
    assert deltas[0] == deltas[1] != deltas[2] == deltas[3]
    for number in (0, 2):
        moved = np.array([deltas[0], deltas[2]])
        for factor in (0.9, 1.1):
            moved[number // 2] = deltas[number] * factor
            assert float(chosen.log_marginal_likelihood(moved)) < float(
                chosen.log_marginal_likelihood()
            )


@pytest.mark.parametrize("batch_size", [4, pytest.param(9, marks=SLOW)])
def test_curvatures_are_those_of_numpy(batch_size):
    network = Network()
    jacobian, ggn = network.jacobian(), network.ggn()
    expected = {"full": ggn, "diagonal": np.diag(np.diag(ggn)), "kfac": network.kronecker()}
    for structure, curvature in expected.items():
        laplace = network.fit(Laplace(structure, prior_precision=0.5), batch_size=batch_size)
        precision = curvature + 0.5 * np.eye(len(ggn))
        mean, found = laplace.output_moments(network.x)
        exact = np.einsum("ncp,pq,ndq->ncd", jacobian, np.linalg.inv(precision), jacobian)
        np.testing.assert_allclose(found, exact, rtol=2e-4, atol=1e-5, err_msg=structure)
        np.testing.assert_allclose(mean, network.logits, rtol=1e-4, atol=1e-5)
        squares = sum((a**2).sum() for a in network.arrays)
        fit = np.log(network.p[np.arange(9), network.y]).sum()
        value = fit - 0.25 * squares + 0.5 * len(ggn) * np.log(0.5)
        value -= 0.5 * np.linalg.slogdet(precision)[1]
        assert float(laplace.log_marginal_likelihood()) == pytest.approx(value, abs=1e-3)
        about = laplace.describe()
        assert about["gradient_evaluations"] == 27
        assert about["passes_over_the_data"] == 3.0


@SLOW
def test_samples_spread_as_the_outputs_do(assert_mean):
    """f + J Δ by forward mode has the moments that J (H + δ)⁻¹ Jᵀ says; samples are coherent."""
    network = Network()
    for structure in ("full", "kfac", "diagonal"):
        laplace = network.fit(Laplace(structure))
        mean, spread = (part.numpy() for part in laplace.output_moments(network.x))
        outputs = laplace.predict(network.x, 4000, 3).numpy()
        assert_mean(outputs, mean)
        off = outputs - mean
        assert_mean(off[..., :, None] * off[..., None, :], spread)
        np.testing.assert_allclose(laplace.predict(network.x[:2], 5, 3), outputs[:5, :2], atol=1e-5)
        chosen = [values[2] for values in laplace.functions(3, 3).arguments]
        direction = np.concatenate(
            [np.ravel(w - a) for w, a in zip(chosen, network.arrays, strict=True)]
        )
        exact = network.logits + network.jacobian() @ direction
        np.testing.assert_allclose(outputs[2], exact, atol=2e-4)


@SLOW
def test_probit_and_network_samples():
    network = Network()
    laplace = network.fit(Laplace("full", predictive="probit"))
    mean, spread = laplace.output_moments(network.x)
    scaled = laplace.predict(network.x, 32, 0)
    variance = np.diagonal(spread, axis1=1, axis2=2)
    np.testing.assert_allclose(scaled[0], mean / np.sqrt(1 + np.pi / 8 * variance), rtol=1e-5)
    laplace = Network().fit(Laplace("full", predictive="samples", prior_precision=1e8))
    close = laplace.predict(network.x, 3, 0)
    np.testing.assert_allclose(close, np.stack([network.logits] * 3), atol=5e-3)


def test_logistic_regression_is_that_of_scikit_learn():
    """Of a plain Keras model at scikit-learn's mode: Hessian XᵀWX + I/C."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (rng.uniform(size=60) < 1 / (1 + np.exp(-x @ [1.0, -2.0, 0.5]))).astype(int)
    solved = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-10).fit(x, y)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign(solved.coef_.T)
    laplace = Laplace("full", prior_precision=0.5)
    laplace.fit(model, Bernoulli(), (x, y), **OPTIONS)
    p = solved.predict_proba(x)[:, 1]
    hessian = (x.T * (p * (1 - p))) @ x + 0.5 * np.eye(3)
    variances, between = covariance(laplace)
    exact = np.linalg.inv(hessian)
    np.testing.assert_allclose(variances, np.diag(exact), rtol=1e-4)
    np.testing.assert_allclose(between, exact[0, 1], rtol=1e-3)


@SLOW
@pytest.mark.parametrize("structure", ["full", "kfac"])
def test_a_trained_laplace_passes_the_contract(structure):
    report = check_method(Laplace(structure), Point(), num_steps=1500)
    assert report.ok, report


@SLOW
def test_a_trained_diagonal_reaches_its_documented_bias():
    report = check_method(
        Laplace("diagonal"),
        Point(),
        exact_posterior=False,
        documented=ConjugateRegression.mean_field,
        num_steps=1500,
    )
    assert report.ok, report


@SLOW
@pytest.mark.parametrize("kind", [PerExample, Twice])
def test_the_contract_sees_planted_defects(kind, monkeypatch):
    laplace = with_structure(kind, monkeypatch)
    report = check_method(laplace, Point(), num_steps=1500, checks=("posterior",))
    assert not report.ok, report


def test_a_noise_that_is_not_learned_cannot_be_chosen():
    with pytest.raises(ValueError, match=r"needs the likelihood Normal\(trainable=True\)"):
        fitted(*conjugate(), Laplace("full", choose_noise=True))
    assert isinstance(conjugate()[2], Normal)
