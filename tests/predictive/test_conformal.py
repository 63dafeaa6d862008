"""Coverage of conformal sets and intervals by simulation, with its exact law, and planted defects.

With n calibration examples and scores without ties, a new example is covered with a probability of
exactly k/(n + 1), k = ⌈(n + 1) level⌉: over R independent repetitions a binomial number of times.
"""

import math
import types

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import ndtri, softmax

from bnn.likelihoods import Categorical, Normal
from bnn.predictive import (
    APS,
    LAC,
    RAPS,
    AbsoluteResidual,
    Calibration,
    ConformalizedQuantiles,
    NormalizedResidual,
    TemperatureScaling,
    conformal,
)
from tests.conftest import Z_LIMIT

R, NUM, LEVEL = 4000, 10, 0.9  # of 10 examples all are needed: k/(n + 1) = 10/11
RULES = [
    LAC(LEVEL),
    APS(LEVEL),
    APS(LEVEL, randomized=True),
    RAPS(LEVEL, penalty=0.1, free=1),
    RAPS(LEVEL, penalty=0.1, free=1, randomized=True, seed=3),
]


def z_of(covered, probability):
    error = math.sqrt(probability * (1 - probability) / len(covered))
    return (np.mean(covered) - probability) / error


def classes(rng, size, num_classes=5):
    """Probabilities that mislead: true ones are sharper, and of another order at times."""
    logits = 2 * rng.normal(size=(size, num_classes))
    true = softmax(logits + rng.normal(size=logits.shape), axis=1)
    labels = (rng.uniform(size=(size, 1)) > np.cumsum(true, axis=1)[:, :-1]).sum(axis=1)
    return softmax(logits, axis=1), labels


def covered_by(rule, rng, repetitions=R):
    """One new example for each calibration set."""
    probs, labels = classes(rng, repetitions * (NUM + 1))
    probs = probs.reshape(repetitions, NUM + 1, -1)
    labels = labels.reshape(repetitions, NUM + 1)
    covered = []
    for seed, (p, y) in enumerate(zip(probs, labels, strict=True)):
        if hasattr(rule, "seed"):
            rule.seed = seed
        sets = rule.fit(p[:-1], y[:-1]).sets(p[-1:])
        covered.append(sets[0, y[-1]])
    return np.array(covered)


@pytest.mark.parametrize("rule", RULES[:2], ids=repr)
def test_coverage_of_sets(rule, rng):
    assert abs(z_of(covered_by(rule, rng), 10 / 11)) < Z_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES[2:], ids=repr)
def test_coverage_of_other_sets(rule, rng):
    """Of the randomized ones with another seed for each repetition: u is random, too."""
    assert abs(z_of(covered_by(rule, rng, 800), 10 / 11)) < Z_LIMIT


def test_a_quantile_without_the_correction_is_seen(rng, monkeypatch):
    """Planted: ⌈n level⌉ in place of ⌈(n + 1) level⌉ covers 9/11."""

    def uncorrected(scores, level):
        return np.sort(scores, axis=0)[math.ceil(len(scores) * level) - 1]

    monkeypatch.setattr(conformal, "conformal_quantile", uncorrected)
    assert z_of(covered_by(LAC(LEVEL), rng), 10 / 11) < -Z_LIMIT


@pytest.mark.parametrize("num", [9, 10, 19, 99, 100, 101, 999, 1000])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_the_quantile(num, level):
    """The guarantee itself, in exact numbers; (n + 1) level is not rounded up past a whole one."""
    scores = np.random.default_rng(0).permutation(np.arange(1.0, num + 1))
    rank = math.ceil(round((num + 1) * level, 6))
    found = conformal.conformal_quantile(scores, level)
    assert found == (rank if rank <= num else np.inf)
    if rank <= num:
        assert level - 1e-12 <= rank / (num + 1) <= level + 1 / (num + 1)


def test_coverage_by_class(rng):
    """A rare class that the model underrates is left out by one threshold, not by its own."""
    probs, labels = classes(rng, 40_000, 3)
    probs[:, 2] /= 30
    probs /= probs.sum(axis=1, keepdims=True)
    half = len(labels) // 2
    one = LAC(LEVEL).fit(probs[:half], labels[:half]).sets(probs[half:])
    each = LAC(LEVEL, by_class=True).fit(probs[:half], labels[:half]).sets(probs[half:])
    others, where = labels[half:], np.arange(half)
    assert z_of(one[where, others], LEVEL) > -Z_LIMIT
    shares = []
    for c in range(3):
        mine = others == c
        # Coverage given the calibration set is Beta of that class's number: both errors count.
        error = math.sqrt(0.09 * (1 / mine.sum() + 1 / (labels[:half] == c).sum()))
        assert abs(each[where, others][mine].mean() - LEVEL) < Z_LIMIT * error
        shares.append((one[where, others][mine].mean() - LEVEL) / error)
    assert shares[2] < -Z_LIMIT
    few = LAC(LEVEL, by_class=True).fit(probs[:50], np.minimum(labels[:50], 1))
    assert few.sets(probs).all(axis=0).tolist() == [False, False, True]


def test_scores_of_sets_by_hand():
    probs = np.array([[0.5, 0.2, 0.3]])
    np.testing.assert_allclose(LAC().scores(probs), [[0.5, 0.8, 0.7]])
    np.testing.assert_allclose(APS().scores(probs), [[0.5, 1.0, 0.8]])
    raps = RAPS(penalty=0.1, free=1)
    np.testing.assert_allclose(raps.scores(probs), [[0.5, 1.2, 0.9]])
    random = APS(randomized=True)
    u = (random.scores(probs) - [[0.0, 0.8, 0.5]]) / probs
    np.testing.assert_allclose(u, u[0, 0])
    assert 0 < u[0, 0] < 1
    assert not np.allclose(random.scores(probs), random.scores(probs, fitting=True))


def said_of(mean, stddev):
    """What an interval rule reads of a predictive that is normal."""

    def interval(level):
        z = ndtri((1 + level) / 2)
        return mean - z * stddev, mean + z * stddev

    return types.SimpleNamespace(mean=mean, stddev=stddev, interval=interval)


INTERVALS = [AbsoluteResidual, NormalizedResidual, ConformalizedQuantiles]


@pytest.mark.parametrize("kind", INTERVALS)
def test_coverage_of_intervals(kind, rng):
    """Two target columns, a biased mean and a deviation that is half of the truth."""
    covered = []
    for _ in range(R):
        scale = np.exp(rng.normal(size=(NUM + 1, 2)))
        y = 0.3 + scale * rng.standard_t(4, size=(NUM + 1, 2)) * [1.0, 100.0]
        said = [said_of(np.zeros_like(s), s / 2 * [1.0, 100.0]) for s in (scale[:-1], scale[-1:])]
        lower, upper = kind(LEVEL).fit(said[0], y[:-1]).interval(said[1])
        covered.append(((lower <= y[-1:]) & (y[-1:] <= upper))[0])
    for column in np.transpose(covered):
        assert abs(z_of(column, 10 / 11)) < Z_LIMIT


def test_intervals_of_a_deviation_that_is_right_in_shape_are_shorter(rng):
    scale = np.exp(rng.normal(size=(4000, 1)))
    y = scale * rng.normal(size=scale.shape)
    said = said_of(np.zeros_like(scale), 3 * scale)
    widths = [
        np.mean(np.subtract(*kind(LEVEL).fit(said, y).interval(said)[::-1])) for kind in INTERVALS
    ]
    assert widths[1] < 0.9 * widths[0]
    assert widths[2] < np.mean(np.subtract(*said.interval(LEVEL)[::-1]))  # closes in, too


def test_scaling_and_sets_share_no_example(rng):
    """With both, coverage holds: a map that is fitted to 20 examples is far too sure of them."""
    probs, labels = classes(rng, 4000)
    both = Calibration(TemperatureScaling(), LAC(LEVEL)).fit(probs, labels)
    new, new_labels = classes(rng, 4000)
    covered = both.sets(new)[np.arange(4000), new_labels]
    error = math.sqrt(0.09 * (1 / 4000 + 1 / 2000))
    assert abs(covered.mean() - LEVEL) < Z_LIMIT * error
    used = []

    class Watched(TemperatureScaling):
        def fit(self, probs, labels):
            used.append(probs)
            return super().fit(probs, labels)

    class WatchedRule(LAC):
        def fit(self, probs, labels):
            used.append(probs)
            return super().fit(probs, labels)

    scaling = Watched()
    Calibration(scaling, WatchedRule(LEVEL)).fit(probs, labels)
    together = np.concatenate([scaling(used[0]), used[1]])
    np.testing.assert_allclose(
        np.sort(together.ravel()), np.sort(scaling(probs).ravel()), rtol=1e-12
    )


def test_what_is_written_is_read(rng):
    probs, labels = classes(rng, 500)
    both = Calibration(TemperatureScaling(), RAPS(0.8, by_class=True, randomized=True))
    both.fit(probs, labels).made_with = {"step": 4}
    again = Calibration.from_arrays(both.to_arrays())
    np.testing.assert_array_equal(again.sets(probs), both.sets(probs))
    np.testing.assert_array_equal(again.probs(probs), both.probs(probs))
    assert repr(again) == repr(both)
    assert again.made_with == {"step": 4}
    assert not any(value.dtype == object for value in both.to_arrays().values())
    with pytest.raises(ValueError, match=r"it holds no calibration"):
        Calibration.from_arrays({"other": np.zeros(3)})
    damaged = {**both.to_arrays(), "about": np.array('{"format": 1, "scaling": {"kind": "os"}}')}
    with pytest.raises(ValueError, match=r"kind must be one of APS, .* got 'os'"):
        Calibration.from_arrays(damaged)


def test_refusals_of_conformal(rng):
    probs, labels = classes(rng, 8)
    with pytest.raises(ValueError, match=r"needs at least 9 calibration examples .* got 8; give"):
        LAC(0.9).fit(probs, labels)
    for level in (0, 1, 95, True, "high"):
        with pytest.raises(ValueError, match=r"level must lie strictly between 0 and 1, got"):
            LAC(level)
    with pytest.raises(ValueError, match=r"must be fitted first"):
        LAC().sets(probs)
    with pytest.raises(ValueError, match=r"penalty and free must be at least 0"):
        RAPS(penalty=-1)
    said = said_of(np.zeros((8, 1)), np.ones((8, 1)))
    with pytest.raises(ValueError, match=r"needs at least 9 calibration examples"):
        AbsoluteResidual(0.9).fit(said, np.zeros(8))
    with pytest.raises(
        ValueError, match=r"targets must be finite numbers of the shape of the mean"
    ):
        AbsoluteResidual(0.5).fit(said, np.zeros((8, 2)))
    with pytest.raises(ValueError, match=r"scaling or conformal must be given, got neither"):
        Calibration()
    with pytest.raises(ValueError, match=r"of numbers; give one: of a regression conformal=Abs"):
        Calibration(TemperatureScaling(), AbsoluteResidual())
    both = Calibration(None, LAC(0.5)).fit(probs, labels)
    with pytest.raises(ValueError, match=r"intervals are of numbers, .* got LAC\(level=0.5"):
        both.interval(said)


@pytest.mark.parametrize("kind", INTERVALS)
def test_intervals_are_of_the_columns_that_were_calibrated(kind, rng):
    rule = kind(0.5).fit(said_of(np.zeros((8, 1)), np.ones((8, 1))), rng.normal(size=(8, 1)))
    with pytest.raises(ValueError, match=r"must have the 1 target columns that .* got .*\(4, 3\)"):
        rule.interval(said_of(np.zeros((4, 3)), np.ones((4, 3))))


@pytest.mark.parametrize("kind", INTERVALS)
def test_scores_of_nan_are_refused(kind, rng):
    """They were sorted to the end: half of the intervals had no ends, or all were empty."""
    mean = np.where(np.arange(8)[:, None] == 5, np.nan, 0.0)
    rule = kind(0.5).fit(said_of(np.zeros((8, 1)), np.ones((8, 1))), rng.normal(size=(8, 1)))
    before = rule.state
    with pytest.raises(ValueError, match=r"scores must be numbers, got NaN in row 5 \(1 scores\)"):
        rule.fit(said_of(mean, np.ones((8, 1))), np.zeros(8))
    assert rule.state is before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([NormalizedResidual(0.95)], r"pass conformal=NormalizedResidual\(level=0.95\), alone\."),
        (
            [NormalizedResidual],
            r"the class Norm.* is a conf.* pass conformal=NormalizedResidual\(\)",
        ),
        ([LAC(0.8)], r"pass conformal=LAC\(level=0.8, .*\), alone or beside scaling\."),
        ([TemperatureScaling], r"got the class Temp.*; pass scaling=TemperatureScaling\(\)\."),
        (
            [None, TemperatureScaling()],
            r"pass scaling=TemperatureScaling\(\), alone or beside conf",
        ),
        ([None, LAC], r"conformal must be an object, got the class LAC; pass conformal=LAC\(\)\."),
        ([0.9], r"scaling must be an object such as TemperatureScaling\(\), or None, got 0.9"),
        (
            [None, "LAC"],
            r"such as LAC\(0.9\) of classes or NormalizedResidual\(0.9\) of numbers, or",
        ),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_its_own(arguments, words):
    with pytest.raises(ValueError, match=words):
        Calibration(*arguments)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("fitted", [TemperatureScaling(), LAC(0.5)])
def test_no_maps_and_sets_of_numbers(columns, fitted):
    """They were told to take the softmax of logits."""
    said = types.SimpleNamespace(likelihood=Normal(0.5), mean=np.zeros((9, columns)))
    with pytest.raises(
        ValueError, match=r"got the targets of Normal; of numbers use intervals, .*Nor"
    ):
        fitted.fit(said, np.zeros(9, int))


def sure(size):
    """Of ten classes, none of them wrong: probabilities of 1 in float32."""
    labels = np.arange(size) % 10
    return softmax(60 * np.eye(10)[labels], axis=1).astype(np.float32), labels


@pytest.mark.parametrize("rule", [APS(0.9), RAPS(0.9)])
def test_sets_that_are_larger_than_sure_predictions_need_are_told(rule, caplog):
    """Ten classes in every set, and five; the remedies give one."""
    probs, labels = sure(40)
    sizes = rule.fit(probs, labels).sets(probs).sum(axis=1)
    assert (sizes == (10 if isinstance(rule, RAPS) and not rule.penalty else 5)).all()
    assert f"has {sizes[0]:.2f} classes in a set" in caplog.text.replace("10.0 ", "10.00 ")
    assert "Use randomized=True, or LAC(0.9)" in caplog.text
    caplog.clear()
    rule.fit(tf.constant(probs), tf.constant(labels))  # tensors, as a model gives them
    assert "Use randomized=True" in caplog.text
    caplog.clear()
    for remedy in (type(rule)(0.9, randomized=True), LAC(0.9)):
        assert remedy.fit(probs, labels).sets(probs).sum(axis=1).max() == 1
    rule.fit(probs, np.where(np.arange(40) == 3, 0, labels))  # one is wrong
    rule.fit(*classes(np.random.default_rng(0), 200))
    assert not caplog.text


def test_no_intervals_of_classes(rng):
    said = types.SimpleNamespace(likelihood=Categorical(), mean=np.full((9, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"is of targets that are numbers, got the classes of Cat"):
        AbsoluteResidual().fit(said, np.eye(3)[np.zeros(9, int)])


def test_options_that_would_be_read_as_others():
    for options in ({"free": 2.7}, {"penalty": "a"}, {"penalty": True}, {"free": True}):
        with pytest.raises(
            ValueError, match=r"penalty and free must be at least 0 and finite, and"
        ):
            RAPS(**options)
    with pytest.raises(ValueError, match=r"seed must be an integer of at least 0, got 0\.5"):
        APS(seed=0.5)
    with pytest.raises(ValueError, match=r"by_class must be True or False, got 'no'"):
        LAC(by_class="no")
