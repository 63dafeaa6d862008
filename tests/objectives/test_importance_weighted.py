import numpy as np
import pytest
import scipy.special
import scipy.stats
from linear_gaussian import NUM_TRAIN, Regression

from bnn.estimators import (
    BySite,
    DefensiveMixture,
    Flipout,
    Mean,
    Reparameterization,
    ScoreFunction,
)
from bnn.objectives import (
    VIMCO,
    DoublyReparameterized,
    ImportanceWeightedBound,
    Plain,
    StickingTheLanding,
)

RULES = {
    "plain": (Plain(), Reparameterization()),
    "doubly": (DoublyReparameterized(), Reparameterization()),
    "vimco": (VIMCO(), ScoreFunction()),
}
NUM_STEPS = 8000


def bounds(problem, num_samples):
    return {
        name: problem.objective(ImportanceWeightedBound, estimator, num_samples, gradient=rule)
        for name, (rule, estimator) in RULES.items()
    }


def one_weight(shift=0.5, widening=1.3):
    problem = Regression(1, use_bias=False, trainable_prior=True, trainable_noise=True)
    problem.set_off_posterior(shift, widening)
    return problem


def exact_loss(problem, parameters):
    """−E[L₂] / N by Gauss–Hermite quadrature over both weights, at (μ, ρ, ln s, ln τ)."""
    loc, unconstrained, log_prior, log_noise = parameters
    scale, prior, noise = np.log1p(np.exp(unconstrained)), np.exp(log_prior), np.exp(log_noise)
    z, mass = np.polynomial.hermite_e.hermegauss(60)
    w = loc + scale * z
    residual = problem.targets[:, np.newaxis] - problem.design * w
    log_v = scipy.stats.norm.logpdf(residual, scale=noise).sum(axis=0)
    log_v += scipy.stats.norm.logpdf(w, scale=prior) - scipy.stats.norm.logpdf(w, loc, scale)
    bound = np.logaddexp(log_v[:, np.newaxis], log_v) - np.log(2)
    return -np.sum(np.outer(mass, mass) * bound) / mass.sum() ** 2 / NUM_TRAIN


@pytest.fixture(scope="module")
def two_samples():
    """All three gradients at S = 2 for one weight, and what they must be on average."""
    problem = one_weight()
    run = problem.simulator(bounds(problem, 2))
    rows = run(NUM_STEPS)
    values = np.concatenate([v.numpy().ravel() for v in problem.variables]).astype(np.float64)
    assert list(problem.names()) == ["loc", "scale", "prior", "noise"]
    steps = 1e-4 * np.eye(4)
    gradient = [
        (exact_loss(problem, values + h) - exact_loss(problem, values - h)) / 2e-4 for h in steps
    ]
    problem.set_posterior(*problem.exact_posterior())
    return problem, rows, exact_loss(problem, values), np.array(gradient), run(500)


@pytest.fixture(scope="module")
def values():
    """Losses at S = 1, 2 and 5."""
    problem = one_weight()
    options = {"estimator": Reparameterization()}
    losses = {
        str(s): problem.objective(ImportanceWeightedBound, num_samples=s, **options)
        for s in (1, 2, 5)
    }
    losses["elbo"] = problem.objective(StickingTheLanding, **options)
    return problem, problem.values(losses, NUM_STEPS)


@pytest.mark.parametrize("rule", RULES)
def test_value_is_the_expected_bound(two_samples, rule, assert_mean):
    _, rows, exact, _, _ = two_samples
    assert_mean(rows[rule][0], exact)


@pytest.mark.parametrize("rule", RULES)
def test_gradient_is_that_of_the_expected_bound(two_samples, rule, assert_mean):
    """In mean, scale, the prior's learned scale and the likelihood's learned noise."""
    _, rows, _, exact, _ = two_samples
    assert np.all(np.abs(exact) > 0.01)
    assert_mean(rows[rule][1], exact)


def test_all_rules_have_the_value_of_the_plain_one(two_samples):
    _, rows, _, _, _ = two_samples
    for rule in ("doubly", "vimco"):
        np.testing.assert_allclose(rows[rule][0], rows["plain"][0], rtol=1e-6)


def test_prior_and_noise_have_the_plain_gradient(two_samples):
    problem, rows, *_ = two_samples
    model = np.isin(problem.names(), ["prior", "noise"])
    plain, doubly, vimco = (rows[rule][1] for rule in RULES)
    np.testing.assert_allclose(doubly[:, model], plain[:, model], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(vimco[:, model], plain[:, model], rtol=1e-3, atol=1e-5)


def test_doubly_reparameterized_has_less_variance_than_plain(two_samples):
    _, rows, *_ = two_samples
    plain, doubly, _ = (rows[rule][1].var(axis=0)[:2] for rule in RULES)
    assert np.all(doubly < 0.7 * plain)


def test_one_sample_is_the_elbo(values, assert_mean):
    problem, losses = values
    np.testing.assert_allclose(losses["1"], losses["elbo"], rtol=1e-5)
    assert_mean(losses["1"], float(problem.loss()))


def test_bound_rises_to_the_evidence_and_not_above(values):
    problem, losses = values
    evidence = problem.log_evidence()
    gaps = {s: evidence + NUM_TRAIN * losses[s] for s in ("1", "2", "5")}
    means = {s: gap.mean() for s, gap in gaps.items()}
    errors = {s: gap.std() / np.sqrt(NUM_STEPS) for s, gap in gaps.items()}
    assert means["1"] > means["2"] + 6 * np.hypot(errors["1"], errors["2"])
    assert means["2"] > means["5"] + 6 * np.hypot(errors["2"], errors["5"])
    assert means["5"] > -6 * errors["5"]
    assert means["5"] < 0.3 * means["1"]


@pytest.mark.parametrize("num_samples", ["1", "2", "5"])
def test_mean_of_the_weights_is_the_evidence(values, num_samples, assert_mean):
    """E[(1/S) Σ vₛ] = p(y) for every S and q."""
    problem, losses = values
    assert_mean(np.exp(-NUM_TRAIN * losses[num_samples] - problem.log_evidence()), 1.0)


def test_at_the_posterior_the_bound_is_tight_and_doubly_reparameterized_at_rest(two_samples):
    """All weights vₛ equal p(y), so every draw gives the log evidence; only DReG has no noise."""
    problem, *_, rows = two_samples
    for losses, _ in rows.values():
        np.testing.assert_allclose(-NUM_TRAIN * losses, problem.log_evidence(), rtol=2e-5)
    plain, doubly, _ = (rows[rule][1][:, :2] for rule in RULES)
    np.testing.assert_allclose(doubly, 0, atol=1e-4 * np.abs(plain).max())
    assert np.all(plain.std(axis=0) > 0.01)


def test_kl_weight_tempers_the_ratio_of_prior_and_posterior():
    """log v = log p(y | w) + λ log p(w) / q(w); with one sample, the tempered ELBO's value."""
    problem = one_weight()
    rows = {}
    for kind in (ImportanceWeightedBound, StickingTheLanding):
        objective = kind(problem.likelihood, NUM_TRAIN, 1)
        rows[kind] = objective(
            problem.model,
            problem.inputs,
            problem.targets,
            estimator=Reparameterization(),
            seed=3,
            step=0,
            kl_weight=0.2,
        )
    a, b = rows.values()
    assert float(a.loss) == pytest.approx(float(b.loss), rel=1e-5)
    assert float(a.loss) != pytest.approx(float(a.nll + a.kl / NUM_TRAIN), rel=1e-2)
    assert float(a.kl) == pytest.approx(float(b.kl), rel=1e-5)


def test_terms_are_plain_averages():
    problem = Regression()
    objective = ImportanceWeightedBound(problem.likelihood, NUM_TRAIN, 3)
    terms = objective(
        problem.model,
        problem.inputs,
        problem.targets,
        estimator=Reparameterization(),
        seed=0,
        step=0,
    )
    assert set(terms.kl_by_site) == {"0_dense/kernel", "0_dense/bias"}
    assert float(terms.kl) == pytest.approx(sum(map(float, terms.kl_by_site.values())), rel=1e-5)
    assert float(terms.loss) <= float(terms.nll + terms.kl / NUM_TRAIN) + 1e-6  # Jensen


# --- Errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "estimator", "message"),
    [
        (Plain(), Flipout(), "the plain gradient of the importance-weighted bound needs the"),
        (Plain(), ScoreFunction(), "needs the estimator Reparameterization, got ScoreFunction"),
        (DoublyReparameterized(), Mean(), "the doubly reparameterized gradient .* got Mean"),
        (VIMCO(), Reparameterization(), "VIMCO of .* needs the estimator ScoreFunction, got Rep"),
        (VIMCO(), BySite({}, ScoreFunction()), "ScoreFunction, got BySite"),
        (
            VIMCO(),
            ScoreFunction(proposal=DefensiveMixture()),
            r"VIMCO needs samples from q itself, .*; use ScoreFunction\(\)",
        ),
    ],
)
def test_estimators_that_cannot_serve(rule, estimator, message):
    problem = Regression()
    loss = problem.objective(ImportanceWeightedBound, estimator, 2, gradient=rule)
    with pytest.raises(ValueError, match=message):
        loss(0)


def test_vimco_needs_two_samples():
    problem = Regression()
    with pytest.raises(ValueError, match="VIMCO needs num_samples of at least 2, got 1"):
        ImportanceWeightedBound(problem.likelihood, NUM_TRAIN, 1, VIMCO())
