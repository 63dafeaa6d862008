import re

import pytest

from bnn.estimators import (
    Flipout,
    LocalReparameterization,
    Mean,
    Reparameterization,
    ScoreFunction,
)

ANY = [Mean(), Reparameterization(), ScoreFunction()]


@pytest.mark.parametrize("estimator", [*ANY, Flipout(), LocalReparameterization()])
def test_all_serve_the_factorised_normal(estimator, posterior):
    assert estimator.unfit(posterior((2,))) is None
    estimator.check(posterior((2,)))


@pytest.mark.parametrize("estimator", ANY)
def test_some_serve_every_posterior(estimator, skewed):
    estimator.check(skewed)


def named_as_fit(message):
    return set(re.search(r"Estimators that can: (.*)\.$", message).group(1).split(", "))


@pytest.mark.parametrize("estimator", [Flipout(), LocalReparameterization()])
def test_unfit_for_dependent_elements(estimator, skewed):
    with pytest.raises(ValueError, match="cannot serve the posterior Skewed: it needs") as error:
        estimator.check(skewed)
    assert type(estimator).__name__ in str(error.value)
    fit = named_as_fit(str(error.value))
    assert {"Mean", "Reparameterization", "ScoreFunction"} <= fit
    assert not {"Flipout", "LocalReparameterization", "BySite"} & fit


def test_flipout_serves_symmetric_elements_that_are_not_normal(laplacian):
    Flipout().check(laplacian)
    with pytest.raises(ValueError, match="independent and normal") as error:
        LocalReparameterization().check(laplacian)
    assert "Flipout" in named_as_fit(str(error.value))


@pytest.mark.parametrize("flag", ["factorized", "symmetric"])
def test_flipout_needs_both(flag, posterior):
    q = posterior((2,))
    setattr(q, flag, False)
    with pytest.raises(
        ValueError,
        match="elements are independent and symmetric about the mean, or one that is a mean plus",
    ):
        Flipout().check(q)


@pytest.mark.parametrize("flag", ["factorized", "normal"])
def test_local_reparameterization_needs_both(flag, posterior):
    q = posterior((2,))
    setattr(q, flag, False)
    with pytest.raises(ValueError, match="independent and normal"):
        LocalReparameterization().check(q)
