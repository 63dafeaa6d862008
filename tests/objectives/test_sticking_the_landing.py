import numpy as np
import pytest
from linear_gaussian import NUM_TRAIN, Regression

import bnn
from bnn.estimators import (
    BySite,
    Flipout,
    LocalReparameterization,
    Reparameterization,
    ScoreFunction,
)
from bnn.objectives import NegativeELBO, StickingTheLanding


class WithScore(StickingTheLanding):
    """The defect to be seen: the score is left in the gradient."""

    def kl_by_site(self, model, draws, noise):
        ratios = [bnn.objectives.densities.log_ratios(model, draw) for draw in draws]
        return {name: sum(r[name] for r in ratios) / len(ratios) for name in ratios[0]}


@pytest.fixture(scope="module")
def simulated():
    """The problem, and losses and gradients with q at the exact posterior and off it."""
    problem = Regression(trainable_prior=True)
    kinds = {"landing": StickingTheLanding, "elbo": NegativeELBO, "with score": WithScore}
    run = problem.simulator(
        {name: problem.objective(k, Reparameterization()) for name, k in kinds.items()}
    )
    problem.set_posterior(*problem.exact_posterior())
    at = run(3000), problem.exact_gradient()
    problem.set_off_posterior()
    return problem, at, (run(10_000), problem.exact_gradient())


@pytest.fixture
def at_posterior(simulated):
    problem, at, _ = simulated
    return problem, *at


@pytest.fixture
def off_posterior(simulated):
    problem, _, off = simulated
    return problem, *off


def test_at_the_posterior_every_sample_is_the_log_evidence(at_posterior):
    """log p(y | w) + log p(w) − log q(w) = log p(y) for every w."""
    problem, rows, _ = at_posterior
    np.testing.assert_allclose(-NUM_TRAIN * rows["landing"][0], problem.log_evidence(), rtol=2e-5)
    assert np.std(rows["elbo"][0]) > 0.05


def test_at_the_posterior_every_samples_gradient_is_zero(at_posterior):
    problem, rows, _ = at_posterior
    of_posterior = problem.names() != "prior"
    landing, elbo, with_score = (gradients[:, of_posterior] for _, gradients in rows.values())
    for defective in (elbo, with_score):
        assert np.all(np.std(defective, axis=0) > 0.01)
    np.testing.assert_allclose(landing, 0, atol=1e-4 * np.abs(elbo).max())


def test_gradient_of_a_learned_prior_at_the_posterior(at_posterior, assert_mean):
    problem, rows, exact = at_posterior
    of_prior = problem.names() == "prior"
    assert of_prior.sum() == 2
    assert_mean(rows["landing"][1][:, of_prior], exact[of_prior])


def test_gradient_is_unbiased(off_posterior, assert_mean):
    """Also in the scales of learned priors, whose gradient is not a path derivative."""
    _, rows, exact = off_posterior
    assert np.all(np.abs(exact) > 0.03)
    assert_mean(rows["landing"][1], exact)


def test_value_is_unbiased(off_posterior, assert_mean):
    problem, rows, _ = off_posterior
    assert_mean(rows["landing"][0], float(problem.loss()))


def test_agrees_with_the_elbo_off_the_posterior(off_posterior, assert_mean):
    """On independent noise; in the learned priors the ELBO's gradient does not vary at all."""
    problem, rows, exact = off_posterior
    random = problem.names() != "prior"
    half = len(rows["elbo"][0]) // 2
    landing, elbo = (rows[name][1][:, random] for name in ("landing", "elbo"))
    assert_mean(elbo[:half] - landing[half:], 0)
    constant = rows["elbo"][1][:, ~random]
    np.testing.assert_allclose(constant, np.broadcast_to(exact[~random], constant.shape), 1e-5)


def test_terms_by_site_sum_to_the_kl():
    problem = Regression()
    terms = StickingTheLanding(problem.likelihood, NUM_TRAIN, 3)(
        problem.model,
        problem.inputs,
        problem.targets,
        estimator=Reparameterization(),
        seed=0,
        step=0,
    )
    assert set(terms.kl_by_site) == {"0_dense/kernel", "0_dense/bias"}
    assert float(terms.kl) == pytest.approx(sum(map(float, terms.kl_by_site.values())), rel=1e-6)
    assert float(terms.loss) == pytest.approx(float(terms.nll + terms.kl / NUM_TRAIN), rel=1e-6)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (ScoreFunction(), r"sticking the landing needs gradients through the weights.*kernel"),
        (
            BySite({"*/bias": ScoreFunction()}, Reparameterization()),
            r"'\w+/bias' is ScoreFunction; use Reparameterization",
        ),
        (Flipout(), "Flipout does not realise one weight tensor .* use Reparameterization"),
        (LocalReparameterization(), "LocalReparameterization does not realise one weight tensor"),
    ],
)
def test_estimators_without_weights_or_path(estimator, message):
    problem = Regression()
    with pytest.raises(ValueError, match=message):
        problem.objective(StickingTheLanding, estimator)(0)
