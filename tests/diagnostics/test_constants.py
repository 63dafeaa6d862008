"""No better than a constant: said in words with numbers, and told apart from pure noise."""

import keras
import numpy as np
import pytest

import bnn
from bnn.diagnostics import constant_warning, versus_constant
from bnn.diagnostics.heads import heads_warning, versus_of_heads
from bnn.diagnostics.neighbours import neighbour_error


def line(rng, signal=np.sin):
    """59 points or so of the classroom, with a gap."""
    x = np.sort(rng.uniform(-4, 4, 80))[:, None]
    x = x[np.abs(x[:, 0]) > 1]
    return x, signal(x) + 0.1 * rng.normal(size=x.shape)


def network(mean, scale, posterior=bnn.posteriors.MeanFieldNormal):
    """Every weight with this mean and standard deviation."""
    layers = [
        bnn.layers.Dense(n, kernel_posterior=posterior(), bias_posterior=posterior())
        for n in (50, 1)
    ]
    model = keras.Sequential([keras.Input((1,)), *layers])
    for site in bnn.sites(model).values():
        if posterior is bnn.posteriors.MeanFieldNormal:
            site.posterior.initialise(np.full(site.posterior.shape, mean), scale)
    return model


def regression(targets, predicted):
    return versus_constant(
        "regression", targets, {"squared_error": (targets - predicted)[:, 0] ** 2}
    )


def test_numbers_of_a_regression(rng):
    targets = rng.normal(size=(50, 1)) * 3
    mean = regression(targets, targets.mean())
    spread = np.std(targets)
    assert not mean.is_better
    assert mean.numbers == f"RMSE {spread:.2f}, standard deviation of the targets {spread:.2f}"
    assert mean.constant_loss == pytest.approx(spread**2)
    assert not regression(targets, 0.02 * targets).is_better
    assert regression(targets, 0.1 * targets).is_better


def test_noise_as_wide_as_the_targets_explains_nothing(rng):
    targets = rng.normal(size=(50, 1))
    losses = {"squared_error": 0.5 * targets[:, 0] ** 2}
    spread = np.std(targets)
    for level, is_better in ((0.9, True), (1.9, False), (np.inf, True), (np.nan, True)):
        noise = np.full((50, 1), level * spread)
        found = versus_constant("regression", targets, losses, noise=noise)
        assert found.is_better == is_better
        words = f", of the noise it has learned {1.9 * spread:.2f} (the mean follows them, but what"
        assert (words in found.numbers) == (not is_better)
    wide, flat = np.full((50, 1), 1.9 * spread), {"squared_error": targets[:, 0] ** 2}
    found = versus_constant("regression", targets, flat, noise=wide)
    assert found.numbers.endswith(f", of the noise it has learned {1.9 * spread:.2f}")


def test_of_several_targets_one_suffices(rng):
    targets = rng.normal(size=(50, 2))
    losses = {"squared_error/a": targets[:, 0] ** 2, "squared_error/b": np.zeros(50)}
    found = versus_constant("regression", targets, losses, ["a", "b"])
    assert found.is_better
    assert "RMSE of a" in found.numbers


def test_numbers_of_a_classification():
    labels = np.repeat([0, 1, 2], [60, 20, 20])
    found = versus_constant("classification", labels, {"error": (labels != 0).astype(float)})
    assert not found.is_better
    assert found.numbers == "error 40.0 %, the most frequent class 40.0 %"
    assert versus_constant("classification", labels, {"error": (labels == 1) * 1.0}).is_better


def test_losses_that_do_not_tell():
    assert versus_constant("classification", np.zeros(0, int), {}) is None
    assert versus_constant("regression", np.zeros((3, 1)), {}) is None
    nan = {"squared_error": np.full(3, np.nan)}
    assert versus_constant("regression", np.zeros((3, 1)), nan) is None


def test_neighbours_find_a_signal_and_none_in_noise(rng):
    x, y = line(rng)
    found = neighbour_error("regression", x, y)
    assert found.is_better
    assert found.gain == pytest.approx(0.5 * np.log(y.var() / 0.1**2), abs=0.7)
    assert not neighbour_error("regression", x, rng.normal(size=x.shape)).is_better
    images = rng.normal(size=(300, 4, 4))
    labels = (images[:, :2].sum((1, 2)) > 0).astype(int)
    assert neighbour_error("classification", images, labels).is_better
    assert not neighbour_error("classification", images, rng.permutation(labels)).is_better


def test_neighbours_are_not_the_same_example_again(rng):
    x, y = rng.normal(size=(60, 1)), rng.normal(size=(60, 1))
    found = neighbour_error("regression", np.tile(x, (6, 1)), np.tile(y, (6, 1)))
    assert not found.is_better


def test_neighbours_false_alarms_on_noise(rng):
    """Of 300 sets of pure noise hardly one is taken for a signal."""
    found = [
        neighbour_error("regression", rng.normal(size=(60, 1)), rng.normal(size=(60, 1))).is_better
        for _ in range(300)
    ]
    assert sum(found) <= 1


def test_neighbours_leave_alone_what_they_cannot_compare():
    assert neighbour_error("regression", np.zeros((10, 1)), np.zeros((10, 1))) is None
    assert neighbour_error("classification", np.array([["a"]] * 30), np.zeros(30)) is None
    assert not neighbour_error("regression", np.arange(30.0)[:, None], np.ones((30, 1))).is_better


def test_a_collapsed_mean_field_is_named_with_numbers_and_remedies(rng):
    x, y = line(rng)
    words = constant_warning(network(0.0, 1.0), "regression", regression(y, y.mean()), (x, y))
    assert words.startswith("The model predicts no better than a constant: RMSE 0.")
    assert "There is something to learn: 5 nearest neighbours explain 9" in words
    assert "The mean-field bound prefers the constant here: 100 % of the weights are" in words
    assert "nats per example" in words
    for remedy in ("`kl_weight` below 1, named as tempered", "FullCovarianceNormal", "MAP"):
        assert remedy in words


def test_a_tempered_one_says_so(rng):
    x, y = line(rng)
    versus = regression(y, y.mean())
    words = constant_warning(network(0.0, 1.0), "regression", versus, (x, y), kl_weight=0.5)
    assert "The mean-field bound tempered by 0.500, prefers the constant here" in words


def test_weights_far_from_their_prior_were_not_trained_enough(rng):
    x, y = line(rng)
    words = constant_warning(network(0.0, 0.02), "regression", regression(y, y.mean()), (x, y))
    assert "The training has not got there" in words
    assert "prefers" not in words


def test_on_pure_noise_the_constant_is_right(rng):
    x, y = line(rng, signal=np.zeros_like)
    words = constant_warning(network(0.0, 1.0), "regression", regression(y, y.mean()), (x, y))
    assert "The constant seems right here: nearest neighbours, too, find nothing" in words
    assert "Remedies" not in words


def test_a_fit_gets_no_word(rng):
    x, y = line(rng)
    model = network(0.0, 1.0)
    assert constant_warning(model, "regression", regression(y, np.sin(x)), (x, y)) == ""
    assert constant_warning(model, "regression", None, (x, y)) == ""


def test_without_training_data_nothing_is_claimed(rng):
    _, y = line(rng)
    words = constant_warning(network(0.0, 1.0), "regression", regression(y, y.mean()), None)
    assert "Whether there is more to learn was not looked at. Remedies" in words


def test_every_head_has_a_constant_of_its_own(rng):
    load, kind = rng.normal(300.0, 50.0, 90), np.arange(90) % 3
    targets = np.stack([load, kind], axis=1)
    losses = {"load/squared_error": (load - 310.0) ** 2, "kind/error": np.zeros(90), "nll": load}
    versus = versus_of_heads(targets, losses)
    assert {name: each.is_better for name, each in versus.items()} == {"load": False, "kind": True}
    said = heads_warning(versus)
    assert said.startswith("The model predicts no better than a constant of 'load' (RMSE ")
    assert "'kind'" not in said
    assert heads_warning({"kind": versus["kind"]}) == ""
    positions = np.stack([np.full(90, -1.0), kind, load], axis=1)  # two labels, one is padding
    maps = {"map/error": np.zeros(90), "load/squared_error": load**2}
    assert versus_of_heads(positions, maps) == {}
