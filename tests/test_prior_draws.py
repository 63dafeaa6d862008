"""Functions of the prior: drawn from p(w), whatever the posterior is."""

import keras
import numpy as np
import pytest

import bnn
from bnn import distributions as tfd
from bnn import posteriors, priors
from bnn.prediction import PriorDraws

COUNT = 4000


def linear(prior, posterior=None):
    """y = w₁ + w₂ of inputs of one, so that a function is a sum of two weights."""
    layer = bnn.layers.Dense(1, use_bias=False, kernel_prior=prior, kernel_posterior=posterior)
    return keras.Sequential([keras.Input((2,)), layer])


class Broadcast(priors.Laplace):
    """Its distribution has the tensor's rank and not its size: elements stay independent."""

    def distribution(self):
        return tfd.Laplace([[self.loc]], [[self.scale]])


def outputs(model, seed=0):
    x = np.array([[1.0, 1.0], [2.0, 2.0]], "float32")
    drawn = np.asarray(bnn.predict(model, x, functions=PriorDraws(COUNT, seed)))[..., 0]
    np.testing.assert_allclose(drawn[:, 1], 2 * drawn[:, 0], rtol=1e-5, atol=1e-6)  # one function
    return drawn[:, 0]


@pytest.mark.parametrize(
    ("prior", "variance"),
    [
        (priors.Normal(scale=0.5), 2 * 0.25),
        (priors.FanInNormal(), 1.0),
        (priors.StudentT(df=10.0, scale=2.0), 2 * 4 * 10 / 8),
        (priors.ScaleMixture(0.5, 1.0, 0.1), 1.01),
        (Broadcast(scale=1.0), 2 * 2.0),
    ],
)
def test_the_law_is_the_priors(prior, variance):
    """Mean 0 and the variance of two weights, as z-scores."""
    found = outputs(linear(prior))
    error = np.sqrt(variance / COUNT)
    assert abs(found.mean()) < 4 * error
    squares = found**2
    assert abs(squares.mean() - variance) < 4 * squares.std() / np.sqrt(COUNT)


def test_the_posterior_has_no_say():
    prior = priors.Normal(loc=1.0, scale=0.5)
    first, second = (
        outputs(linear(prior, q)) for q in (posteriors.MeanFieldNormal(3.0), posteriors.Point())
    )
    np.testing.assert_array_equal(first, second)
    assert abs(first.mean() - 2.0) < 4 * np.sqrt(0.5 / COUNT)
    assert not np.array_equal(first, outputs(linear(prior), seed=1))


def test_a_predictive_of_the_prior_is_as_wide_as_its_functions():
    model = linear(priors.Normal(scale=0.5))
    likelihood = bnn.likelihoods.Normal(scale=0.1)
    x = np.ones((1, 2), "float32")
    said = bnn.predictive(model, likelihood, x, functions=PriorDraws(COUNT))
    assert 0.4 < said.epistemic[0, 0] < 0.6
    np.testing.assert_allclose(said.aleatoric, 0.01, rtol=1e-5)


def test_a_prior_that_is_a_density_alone_is_named():
    with pytest.raises(ValueError, match=r"got Horseshoe\(.*has a density alone; use one with"):
        bnn.predict(linear(priors.Horseshoe()), np.ones((1, 2)), functions=PriorDraws(2))
    with pytest.raises(ValueError, match="num_samples must be an integer of at least 1, got 0"):
        PriorDraws(0)
