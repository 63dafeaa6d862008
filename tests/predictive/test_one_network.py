"""A prediction's results, made in several passes, are those of one network."""

import keras
import numpy as np
import pytest

import bnn
from bnn.likelihoods import Categorical, Normal


def network(dtype="float32"):
    return keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1, dtype=dtype)])


@pytest.mark.parametrize("later", ["mean", "interval", "log_prob", "samples"])
def test_other_weights_between_two_passes_are_refused(later, rng):
    """Planted: an interval of the trained network around the mean of the one before it."""
    model, x = network(), rng.normal(size=(4, 3)).astype("float32")
    said = bnn.predictive(model, Normal(0.5), x, 4)
    middle = said.quantile(0.5)
    model.set_weights([2 * w + 1 for w in model.get_weights()])
    with pytest.raises(
        ValueError, match=r"must be of one network, got other weights \(.*kernel.*call bnn\.predic"
    ):
        {
            "mean": lambda: said.mean,
            "interval": said.interval,
            "log_prob": lambda: said.log_prob(np.zeros((4, 1))),
            "samples": lambda: said.samples(2),
        }[later]()
    np.testing.assert_array_equal(said.quantile(0.5), middle)  # what is known stays
    again = bnn.predictive(model, Normal(0.5), x, 4)
    lower, upper = again.interval()
    assert ((lower < again.mean) & (again.mean < upper)).all()


def test_the_noise_that_a_likelihood_learns_is_part_of_it(rng):
    model, x = network(), rng.normal(size=(4, 3)).astype("float32")
    likelihood = Normal(0.5, trainable=True)
    likelihood.build(1)
    said = bnn.predictive(model, likelihood, x, 4)
    said.mean  # noqa: B018
    likelihood.variables[0].assign(0.1 + likelihood.variables[0])
    with pytest.raises(ValueError, match="must be of one network"):
        said.interval()


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_float16"])
def test_the_same_weights_are_the_same_network(dtype, rng):
    model, x = network(dtype), rng.normal(size=(4, 3)).astype("float32")
    said = bnn.predictive(model, Normal(0.5), x, 4)
    said.mean  # noqa: B018
    model.set_weights(model.get_weights())
    said.interval()


def test_before_its_first_use_it_has_no_network_yet(rng):
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2)])
    x = rng.normal(size=(4, 3)).astype("float32")
    said = bnn.predictive(model, Categorical(), x, 4)
    model.set_weights([2 * w for w in model.get_weights()])
    np.testing.assert_array_equal(said.mean, bnn.predictive(model, Categorical(), x, 4).mean)
