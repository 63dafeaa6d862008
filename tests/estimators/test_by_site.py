import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import (
    BySite,
    DefensiveMixture,
    Flipout,
    LocalReparameterization,
    Mean,
    NoBaseline,
    Reparameterization,
    RunningMean,
    ScoreFunction,
)
from bnn.noise import Noise
from bnn.operators import Dense

FLIPOUT, LOCAL, MEAN = Flipout(), LocalReparameterization(), Mean()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("conv2d/kernel", "@features/kernel"), FLIPOUT),
        (("conv1d/kernel", "@head/kernel"), FLIPOUT),
        (("dense/kernel", "@features/kernel"), LOCAL),  # by layer name
        (("dense/kernel", "@head/kernel"), MEAN),
        (("conv2d/bias", "@features_2/bias"), MEAN),
        (("Conv2d/kernel", "@x/kernel"), MEAN),  # case matters
    ],
)
def test_the_first_rule_that_matches_a_label(labels, expected):
    estimator = BySite({"conv?d/kernel": FLIPOUT, "@features/*": LOCAL}, default=MEAN)
    assert estimator.at(labels) is expected


def test_rules_are_tried_in_order():
    labels = ("dense/kernel", "@a/kernel")
    assert BySite({"*": FLIPOUT, "dense/*": LOCAL}, MEAN).at(labels) is FLIPOUT
    assert BySite({"dense/*": LOCAL, "*": FLIPOUT}, MEAN).at(labels) is LOCAL


def test_nested():
    inner = BySite({"*/bias": FLIPOUT}, default=LOCAL)
    estimator = BySite({"dense/*": inner}, default=MEAN)
    assert estimator.at(("dense/bias", "@a/bias")) is FLIPOUT
    assert estimator.at(("dense/kernel", "@a/kernel")) is LOCAL


def test_a_draw_uses_the_labels_of_class_and_layer():
    model = bnn.models.mlp((3,), 2, hidden=(4,))
    head = model.layers[-1]
    estimator = BySite({f"@{head.name}/kernel": ScoreFunction(), "dense/bias": MEAN}, FLIPOUT)
    with bnn.Draw(0, estimator) as draw:
        model(tf.ones((2, 3)))
    # Sites 0 … 3 are kernel, bias, kernel, bias: only the head's kernel has a score.
    posterior = head.kernel_posterior
    w = posterior.sample(Noise(0, site=2))
    expected = tf.reduce_sum(posterior.distribution().log_prob(w))
    assert float(draw.score) == pytest.approx(float(expected), rel=1e-5)


def test_a_layer_named_like_a_class_is_not_confused_with_it():
    """Only the label with the @ is that of a layer's name."""
    model = keras.Sequential(
        [
            keras.Input((4, 2)),
            bnn.layers.Conv1D(3, 2, name="dense"),
            keras.layers.Flatten(),
            bnn.layers.Dense(2, name="conv1d"),
        ]
    )
    kinds = {
        pattern: [
            type(BySite({pattern: FLIPOUT}, MEAN).at(site.labels)).__name__
            for site in bnn.sites(model).values()
        ]
        for pattern in ("dense/*", "@dense/*")
    }
    first, second = ["Flipout"] * 2 + ["Mean"] * 2, ["Mean"] * 2 + ["Flipout"] * 2
    assert kinds == {"dense/*": second, "@dense/*": first}


def test_realise_is_that_of_the_default(posterior):
    q, x, noise = posterior((3, 2)), tf.ones((4, 3)), Noise(0)
    actual = BySite({"*": MEAN}, FLIPOUT).realise(Dense(), q, noise, x).apply(x)
    expected = FLIPOUT.realise(Dense(), q, noise, x).apply(x)
    np.testing.assert_array_equal(actual, expected)


def test_baseline_is_that_of_the_members():
    baseline = RunningMean()
    one, other = ScoreFunction(baseline), ScoreFunction(baseline)
    assert BySite({"a": one, "b": other}, FLIPOUT).baseline is baseline
    assert BySite({"a": FLIPOUT}, one).baseline is baseline
    assert isinstance(BySite({"a": ScoreFunction()}, FLIPOUT).baseline, NoBaseline)


def test_two_baseline_objects_are_an_error():
    one, other = ScoreFunction(RunningMean()), ScoreFunction(RunningMean())
    with pytest.raises(ValueError, match=r"different baseline objects.*the same object"):
        _ = BySite({"a": one}, other).baseline


@pytest.mark.parametrize(
    ("rules", "default", "name"),
    [({"dense/*": Flipout}, MEAN, "dense/*"), ({}, "mean", "default")],
)
def test_member_that_is_no_estimator(rules, default, name):
    with pytest.raises(
        ValueError, match=r"BySite needs an estimator object for .*parentheses"
    ) as e:
        BySite(rules, default)
    assert repr(name) in str(e.value)


def test_the_unfit_member_is_named(skewed):
    with pytest.raises(ValueError, match="estimator LocalReparameterization cannot serve"):
        BySite({"*": LOCAL}, Reparameterization()).at(("dense/kernel",)).check(skewed)


def test_descriptions_name_what_was_chosen():
    score = ScoreFunction(RunningMean(), DefensiveMixture())
    assert FLIPOUT.describe() == "Flipout"
    assert ScoreFunction().describe() == "ScoreFunction"
    assert score.describe() == "ScoreFunction(RunningMean, DefensiveMixture)"
    estimator = BySite({"conv*/kernel": FLIPOUT, "*/bias": score}, default=MEAN)
    assert estimator.describe() == (
        "conv*/kernel: Flipout, */bias: ScoreFunction(RunningMean, DefensiveMixture), else Mean"
    )
