"""Regressions and counts by their predictive mixtures, against SciPy."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from bnn import Noise
from bnn.evaluation import evaluate, evaluation_of, headline, judge, judged
from bnn.likelihoods import NegativeBinomial, Poisson
from bnn.noise import Purpose
from tests.evaluation.data import with_targets
from tests.likelihoods.descriptors import BY_NAME, B, D, S

REGRESSIONS = (
    "StudentT",
    "Laplace",
    "Quantile",
    "LogNormal",
    "Gamma",
    "Beta",
    "MultivariateNormal",
)
POSITIVE = ("LogNormal", "Gamma", "Beta")
COUNTS = ("Poisson", "NegativeBinomial", "ZeroInflatedPoisson")


def case(name, rng):
    """Likelihood, outputs, targets in own units, data set with units, reference of components."""
    row = BY_NAME[name]
    outputs = row.outputs(rng, S, B).astype(np.float32).astype(np.float64)
    y = row.targets(rng).astype(np.float32).astype(np.float64)
    if name in COUNTS:
        data = with_targets(y.astype(np.float32), target_kinds="counts", target_names=("a", "b"))
        return row.built(), outputs, y, data, np.zeros(D), np.ones(D)
    loc = np.zeros(D) if name in POSITIVE else np.array([100.0, -0.3])
    scale = np.ones(D) if name == "Beta" else np.array([50.0, 0.02])
    data = with_targets(y, target_loc=loc, target_scale=scale, target_names=("a", "b"))
    return row.built(), outputs, y, data, loc, scale


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_is_that_of_scipys_mixture(name, rng):
    likelihood, outputs, y, data, _, scale = case(name, rng)
    row = BY_NAME[name]
    got = evaluate(likelihood, tf.constant(outputs), data.y_test, data)
    joint = np.stack([row.log_prob(one, y) for one in outputs])
    log_prob = scipy.special.logsumexp(joint, axis=0) - np.log(S) - np.log(scale).sum()
    assert got["log_likelihood"] == pytest.approx(log_prob.mean(), rel=1e-6)
    assert got["nll"] == -got["log_likelihood"]
    marginal = row.marginal(outputs)
    mean, variance = marginal.mean(), marginal.var() + np.zeros((S, B, D))
    pit = marginal.cdf(y).mean(axis=0)
    for d, target in enumerate(("a", "b")):
        of = {n.removesuffix(f"/{target}"): v for n, v in got.items() if n.endswith(f"/{target}")}
        unit = scale[d]
        errors = y[:, d] - mean[..., d].mean(axis=0)
        assert of["rmse"] == pytest.approx(unit * np.sqrt(np.mean(errors**2)), rel=1e-6)
        aleatoric = np.mean(variance[..., d])
        epistemic = np.mean(mean[..., d].var(axis=0))
        assert of["aleatoric_std"] == pytest.approx(unit * np.sqrt(aleatoric), rel=1e-6)
        assert of["epistemic_std"] == pytest.approx(unit * np.sqrt(epistemic), rel=1e-6)
        assert of["sharpness"] == pytest.approx(unit * np.sqrt(aleatoric + epistemic), rel=1e-6)
        for level in (50, 95):
            tail = (1 - level / 100) / 2
            inside = (pit[:, d] >= tail) & (pit[:, d] <= 1 - tail)
            assert of[f"coverage_{level}"] == np.mean(inside)
        grid = (np.arange(200_000) + 0.5) / 200_000
        share = np.searchsorted(np.sort(pit[:, d]), grid, side="right") / B
        gap = np.mean(np.abs(share - grid))
        assert of["quantile_calibration_error"] == pytest.approx(gap, abs=1e-4)
        spread = unit * np.sqrt(aleatoric + epistemic)
        assert of["crps"] == pytest.approx(unit * crps(marginal, y, d), abs=3e-3 * spread)


def crps(marginal, y, d):
    """∫ (F(t) − [t ≥ y])² dt of the mean CDF, by the trapezoid over a fine grid, mean over rows."""
    low = min(marginal.ppf(1e-5)[..., d].min(), y.min()) if hasattr(marginal, "ppf") else -50
    high = max(marginal.ppf(1 - 1e-5)[..., d].max(), y.max())
    t = np.linspace(low, high, 100_001)
    scores = []
    for b in range(B):
        below = np.mean([column_cdf(marginal, s, b, d, t) for s in range(S)], axis=0)
        scores.append(np.trapezoid((below - (t >= y[b, d])) ** 2, t))
    return np.mean(scores)


def column_cdf(marginal, s, b, d, t):
    def pick(a):
        return np.broadcast_to(a, (S, B, D))[s, b, d]

    arguments = [pick(a) for a in marginal.args]
    options = {name: pick(a) for name, a in marginal.kwds.items()}
    return marginal.dist.cdf(t, *arguments, **options)


def test_a_mixture_density_is_that_of_all_its_components(rng):
    likelihood, outputs, y, data, _, scale = case("MixtureDensity", rng)
    got = evaluate(likelihood, tf.constant(outputs), data.y_test, data)
    joint = np.stack([BY_NAME["MixtureDensity"].log_prob(one, y) for one in outputs])
    log_prob = scipy.special.logsumexp(joint, axis=0) - np.log(S) - np.log(scale).sum()
    assert got["log_likelihood"] == pytest.approx(log_prob.mean(), rel=1e-6)
    weights = scipy.special.softmax(outputs[..., :3], axis=-1)[..., None]
    means = outputs[..., 3:9].reshape(S, B, 3, D)
    mean = (weights * means).sum(axis=2).mean(axis=0)
    errors = np.sqrt(np.mean((y - mean) ** 2, axis=0)) * scale
    assert [got["rmse/a"], got["rmse/b"]] == pytest.approx(errors.tolist(), rel=1e-6)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_scipys_mixture(name, rng):
    likelihood, outputs, y, data, *_ = case(name, rng)
    got = evaluate(likelihood, tf.constant(outputs), data.y_test, data)
    marginal = BY_NAME[name].marginal(outputs)
    joint = marginal.logpmf(y).sum(axis=-1)
    log_prob = scipy.special.logsumexp(joint, axis=0) - np.log(S)
    assert got["log_likelihood"] == pytest.approx(log_prob.mean(), rel=1e-6)
    errors = np.sqrt(np.mean((y - marginal.mean().mean(axis=0)) ** 2, axis=0))
    assert [got["rmse/a"], got["rmse/b"]] == pytest.approx(errors.tolist(), rel=1e-6)
    below = np.stack([marginal.cdf(np.full_like(y, k)).mean(axis=0) for k in range(400)])
    reached = np.arange(400)[:, None, None] >= y
    score = ((below - reached) ** 2).sum(axis=0).mean(axis=0)
    assert [got["crps/a"], got["crps/b"]] == pytest.approx(score.tolist(), rel=1e-6)
    at, under = marginal.cdf(y).mean(axis=0), marginal.cdf(y - 1).mean(axis=0)
    v = Noise(0, purpose=Purpose.OUTCOMES).uniform([B, D], 2).numpy()
    u = under + v * (at - under)
    inside = np.mean((u >= 0.25) & (u <= 0.75), axis=0)
    assert [got["coverage_50/a"], got["coverage_50/b"]] == inside.tolist()


@pytest.mark.parametrize(("truth", "calibrated"), [("poisson", True), ("negative_binomial", False)])
def test_the_randomised_transform_of_counts_is_uniform_where_the_model_is_right(
    truth, calibrated, p_limit
):
    """And sees counts that vary more than a Poisson's."""
    rng = np.random.default_rng(3)
    log_rate = rng.normal(1.0, 0.5, size=(2000, 1))
    rate = np.exp(log_rate)
    y = rng.poisson(rate) if truth == "poisson" else rng.negative_binomial(1.0, 1 / (1 + rate))
    data = with_targets(y.astype(np.float32), target_kinds="counts")
    likelihood = Poisson()
    test = judged(likelihood, tf.constant(log_rate[np.newaxis]), data.y_test, data)
    evaluation = evaluation_of(likelihood)
    u = evaluation.transform(test.examples)[:, 0]
    assert (scipy.stats.kstest(u, "uniform").pvalue > p_limit) == calibrated
    steps = test.examples["pit"][:, 0]  # without randomisation even the right model seems wrong
    assert scipy.stats.kstest(steps, "uniform").pvalue < p_limit


@pytest.mark.parametrize("name", [*REGRESSIONS, "MixtureDensity", *COUNTS])
def test_the_headline_is_of_the_same_numbers(name, rng):
    likelihood, outputs, _, data, *_ = case(name, rng)
    everything = evaluate(likelihood, tf.constant(outputs), data.y_test, data)
    got = headline(likelihood, tf.constant(outputs), data.y_test, data)
    assert got == {name: everything[name] for name in ("nll", "rmse/a", "rmse/b")}


@pytest.mark.parametrize("name", ["Laplace", "Poisson"])
def test_blocks_are_the_whole(name, rng, monkeypatch):
    likelihood, outputs, _, data, *_ = case(name, rng)
    whole = evaluate(likelihood, tf.constant(outputs), data.y_test, data)
    width = outputs.shape[-1]
    monkeypatch.setattr("bnn.evaluation.blocks._BLOCK", 4 * S * width * 2)
    monkeypatch.setattr("bnn.evaluation.predictives._NUMBERS", 1)  # row by row
    starts = iter(range(0, B, 2))

    def predict(inputs):
        first = next(starts)
        return tf.constant(outputs[:, first : first + len(inputs)])

    test = judge(
        predict, likelihood, data.x_test, data.y_test, data, num_samples=S, num_outputs=width
    )
    assert evaluation_of(likelihood).metrics(test.examples) == pytest.approx(whole, rel=1e-12)
    assert (test.samples, test.num_samples) == (None, S)


def test_counts_have_no_units(rng):
    likelihood = NegativeBinomial(1.7)
    likelihood.build(1)
    y = np.array([[0.0], [3.0]], np.float32)
    data = with_targets(y, target_kinds="counts")
    test = judged(likelihood, tf.zeros([2, 2, 1]), data.y_test, data)
    np.testing.assert_array_equal(test.examples["targets"], y)
