import itertools

import numpy as np
import pytest
import sklearn.calibration

from bnn import metrics


def binary(confidence):
    """One sample `[1, B, 2]` that predicts class 0 with the given confidences."""
    confidence = np.asarray(confidence)
    with np.errstate(divide="ignore"):
        return np.log(np.stack([confidence, 1.0 - confidence], axis=-1))[None]


def brute_force(mean, labels, edges):
    """The sum of Guo et al., bin by bin and example by example."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = [
            (p.max(), p.argmax() == y)
            for p, y in zip(mean, labels, strict=True)
            if low < p.max() <= high
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) / len(labels) * abs(right - confidence)
    return total


@pytest.mark.parametrize("num_bins", [1, 2, 10, 15, 1000])
def test_ece_against_brute_force(classification, num_bins):
    log_probs, labels, mean = classification
    expected = brute_force(mean, labels, np.linspace(0.0, 1.0, num_bins + 1))
    assert metrics.ece(log_probs, labels, num_bins) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("num_bins", [1, 2, 7, 15, 300])
def test_ece_equal_mass_against_groups_of_the_sorted_examples(classification, num_bins):
    log_probs, labels, mean = classification
    order = np.argsort(mean.max(axis=-1))
    right = (mean.argmax(axis=-1) == labels)[order]
    confidence = mean.max(axis=-1)[order]
    ends = [-(-m * len(order) // num_bins) for m in range(num_bins + 1)]
    expected = sum(
        abs(right[a:b].sum() - confidence[a:b].sum()) / len(order)
        for a, b in itertools.pairwise(ends)
    )
    assert metrics.ece_equal_mass(log_probs, labels, num_bins) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("equal_mass", "strategy"), [(False, "uniform"), (True, "quantile")])
def test_table_against_scikit_learn(classification, equal_mass, strategy):
    log_probs, labels, mean = classification
    table = metrics.reliability(log_probs, labels, num_bins=10, equal_mass=equal_mass)
    accuracy, confidence = sklearn.calibration.calibration_curve(
        mean.argmax(axis=-1) == labels, mean.max(axis=-1), n_bins=10, strategy=strategy
    )
    filled = table.count > 0
    np.testing.assert_allclose(table.accuracy[filled], accuracy, rtol=1e-9)
    np.testing.assert_allclose(table.confidence[filled], confidence, rtol=1e-9)


@pytest.mark.parametrize("equal_mass", [False, True])
@pytest.mark.parametrize("num_bins", [1, 4, 15, 500])
def test_every_example_is_in_one_bin(classification, equal_mass, num_bins):
    log_probs, labels, _ = classification
    table = metrics.reliability(log_probs, labels, num_bins, equal_mass)
    assert table.count.sum() == len(labels)
    assert table.count.shape == table.confidence.shape == table.accuracy.shape == (num_bins,)
    assert table.edges.shape == (num_bins + 1,)
    assert table.edges[0] == 0.0
    assert table.edges[-1] == 1.0
    assert (np.diff(table.edges) >= 0.0).all()
    filled = table.count > 0
    assert (table.confidence[filled] > table.edges[:-1][filled]).all()
    assert (table.confidence[filled] <= table.edges[1:][filled] + 1e-12).all()


def test_empty_bins_are_nan_in_the_table_and_add_nothing_to_the_error():
    table = metrics.reliability(binary([0.95, 0.95]), [0, 1], num_bins=10)
    np.testing.assert_array_equal(table.count, [0] * 9 + [2])
    assert np.isnan(table.accuracy[:9]).all()
    assert np.isnan(table.confidence[:9]).all()
    assert metrics.ece(binary([0.95, 0.95]), [0, 1], num_bins=10) == pytest.approx(0.45)


@pytest.mark.parametrize("confidence", [0.6, 0.7, 0.8, 0.9, 1.0])
def test_a_confidence_on_an_edge_is_in_the_bin_below(confidence):
    table = metrics.reliability(binary([confidence]), [0], num_bins=10)
    assert table.count.argmax() == round(confidence * 10) - 1


@pytest.mark.parametrize("num_votes", [10, 15, 20])
def test_an_edge_reached_by_averaging_votes_is_still_the_edge(num_votes):
    for right in range(num_votes // 2 + 1, num_votes + 1):
        classes = [0] * right + [1] * (num_votes - right)
        with np.errstate(divide="ignore"):
            votes = np.log(np.eye(2))[classes][:, None]  # [S, 1, 2], a mean of right / num_votes
        table = metrics.reliability(votes, [0], num_bins=num_votes)
        assert table.count.argmax() == right - 1


def test_equal_mass_bins_differ_by_at_most_one_example_without_ties():
    table = metrics.reliability(binary(np.linspace(0.51, 0.99, 10)), [0] * 10, 4, equal_mass=True)
    np.testing.assert_array_equal(table.count, [3, 2, 3, 2])


def test_equal_confidences_share_an_equal_mass_bin_in_any_order():
    confidence = np.array([0.6] * 5 + [0.7] + [0.9] * 2)
    labels = np.array([0, 1, 1, 0, 1, 0, 0, 1])
    table = metrics.reliability(binary(confidence), labels, 4, equal_mass=True)
    np.testing.assert_array_equal(table.count, [5, 0, 1, 2])
    rng = np.random.default_rng(0)
    for _ in range(5):
        order = rng.permutation(8)
        shuffled = metrics.reliability(binary(confidence[order]), labels[order], 4, True)
        for one, other in zip(table, shuffled, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)


def test_all_confidences_equal():
    log_probs, labels = binary([0.8] * 6), [0, 0, 0, 0, 1, 1]
    expected = pytest.approx(0.8 - 4 / 6, rel=1e-10)
    assert metrics.ece(log_probs, labels) == expected
    assert metrics.ece_equal_mass(log_probs, labels) == expected


def test_more_bins_than_examples():
    assert metrics.ece_equal_mass(binary([0.7]), [1], num_bins=15) == pytest.approx(0.7)
    expected = (0.1 + 0.3 + 0.8) / 3
    assert metrics.ece_equal_mass(binary([0.9, 0.7, 0.8]), [0, 0, 1], 5) == pytest.approx(expected)


def test_certain_predictions_are_extremes():
    with np.errstate(divide="ignore"):
        certain = np.log([[[1.0, 0.0], [0.0, 1.0]]])
    assert metrics.ece(certain, [0, 1]) == 0.0
    assert metrics.ece(certain, [1, 0]) == 1.0


def test_confidence_is_of_the_mixture():
    votes = np.log([[[0.9, 0.1]], [[0.3, 0.7]]])
    assert metrics.reliability(votes, [0], num_bins=1).confidence == pytest.approx(0.6)


def test_calibrated_predictions_have_a_small_error():
    # Labels drawn from the predictions: in a bin of n = 2000 the gap has a standard deviation of
    # at most 0.5 / sqrt(n) = 0.0112, so the mean of ten |gaps| is expected at 0.0089 or below.
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.5, 1.0, size=20_000)
    labels = (rng.uniform(size=20_000) > confidence).astype(int)
    assert metrics.ece_equal_mass(binary(confidence), labels, 10) < 0.012
    assert metrics.ece_equal_mass(binary(confidence), 1 - labels, 10) > 0.4
