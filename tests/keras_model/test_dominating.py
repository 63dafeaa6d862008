"""A KL that dominates and still falls, as of scales that a fit has hardly moved."""

import logging

import keras
import numpy as np
import pytest

import bnn
from bnn.keras_model.dominating import REMEDIES, dominating_in_words


@pytest.fixture
def fitted(rng, caplog):
    """fitted(…): a network that tells two clouds apart, converted and fitted for three steps."""

    def fitted(prior_scale, initial_scale):
        y = np.arange(64) % 2
        x = (rng.normal(size=(64, 2)) + 6 * y[:, None] - 3).astype("float32")
        plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        plain.set_weights([np.float32([[-2, 2], [-2, 2]]), np.zeros(2)])
        prior = bnn.priors.Around(prior_scale)
        network = bnn.convert(plain, prior=prior, initial_scale=initial_scale, verbose=False)
        model = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
        model.compile(keras.optimizers.Adam(0.03), run_eagerly=True)
        with caplog.at_level(logging.WARNING, "absl"):
            model.fit(x, y, epochs=3, batch_size=64, verbose=0)
        assert (model.kl_warning in caplog.text) if model.kl_warning else not caplog.text
        return model

    return fitted


def test_scales_that_hardly_move_are_told_with_numbers(fitted):
    model = fitted(1.0, bnn.moped(0.1))
    kl = model.history.history["kl"]
    assert model.constant_warning == ""
    assert kl[-1] > 0.9 * kl[0]
    words = model.kl_warning
    assert f"It went from {kl[0]:,.0f} to {kl[-1]:,.0f} nats in 3 epochs" in words
    assert words.endswith(REMEDIES)


def test_one_that_begins_near_its_end_gets_no_word(fitted):
    """The remedy: a narrower prior and a scale that fits it."""
    model = fitted(0.1, 0.1)
    assert model.constant_warning == model.kl_warning == ""


def logged(kl, nll):
    return {"kl": kl, "nll": [nll] * len(kl)}


def test_a_large_kl_is_no_fault_where_it_has_stopped_falling():
    falling = list(np.linspace(152_000, 138_000, 10))
    fitted = [14523.0, 9283, 5539, 3837, 3203, 2829, 2555, 2357, 2196, 2087]  # digits from scratch
    settled = [*np.linspace(152_000, 138_000, 10), *[138_000.0] * 3]
    words = dominating_in_words(logged(falling, 0.006), 1437, 1.0)
    assert words.startswith(
        "The KL dominates, and is still falling: 96.0 nats per example, beside an NLL of 0.00600. "
        "It went from 152,000 to 138,000 nats in 10 epochs, at the end by 1.08 nats per example an"
    )
    assert "at its weight 0.100, beside" in dominating_in_words(logged(falling, 0.006), 1437, 0.1)
    for silent in (
        logged(settled, 0.006),
        logged(fitted, 0.36),
        logged(falling[::-1], 0.006),  # rising, as in a warm-up
        logged(falling, 120.0),  # the NLL is more
        logged(falling, -0.5),  # of a density
        logged(falling[:1], 0.006),
        logged([np.nan] * 10, 0.006),
        {},
    ):
        assert dominating_in_words(silent, 1437, 1.0) == ""
