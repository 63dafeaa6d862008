import numpy as np
import pytest
import sklearn.calibration

from bnn import metrics


def by_scikit_learn(mean, labels, num_bins, strategy):
    """The two-class error of each class, from scikit-learn's curve with the counts of its bins."""
    total = 0.0
    for c in range(mean.shape[-1]):
        probability, right = mean[:, c], labels == c
        frequency, confidence = sklearn.calibration.calibration_curve(
            right, probability, n_bins=num_bins, strategy=strategy
        )
        if strategy == "uniform":
            edges = np.linspace(0.0, 1.0, num_bins + 1)
        else:
            edges = np.quantile(probability, np.linspace(0.0, 1.0, num_bins + 1))
        count = np.bincount(np.searchsorted(edges[1:-1], probability), minlength=num_bins)
        total += np.sum(count[count > 0] * np.abs(frequency - confidence)) / len(labels)
    return total / mean.shape[-1]


@pytest.mark.parametrize("num_bins", [1, 2, 10, 15])
def test_classwise_against_scikit_learn(classification, num_bins):
    log_probs, labels, mean = classification
    expected = by_scikit_learn(mean, labels, num_bins, "uniform")
    assert metrics.ece_classwise(log_probs, labels, num_bins) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("num_bins", [1, 2, 10, 15])
def test_adaptive_against_scikit_learn(classification, num_bins):
    log_probs, labels, mean = classification
    expected = by_scikit_learn(mean, labels, num_bins, "quantile")
    assert metrics.ece_adaptive(log_probs, labels, num_bins) == pytest.approx(expected, rel=1e-9)


def test_adaptive_is_the_formula_of_the_paper_without_ties(classification):
    log_probs, labels, mean = classification
    num_ranges, size, num_classes = 20, len(labels), mean.shape[-1]
    assert size % num_ranges == 0
    total = 0.0
    for c in range(num_classes):
        for group in np.split(np.argsort(mean[:, c]), num_ranges):
            total += abs(np.mean(labels[group] == c) - np.mean(mean[group, c]))
    expected = total / (num_classes * num_ranges)
    assert metrics.ece_adaptive(log_probs, labels, num_ranges) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", [metrics.ece_classwise, metrics.ece_adaptive])
def test_a_threshold_leaves_small_probabilities_out(classification, metric):
    log_probs, labels, mean = classification
    total = 0.0
    for c in range(mean.shape[-1]):
        kept = mean[:, c] >= 0.2
        total += abs(np.mean(labels[kept] == c) - np.mean(mean[kept, c]))
    actual = metric(log_probs, labels, num_bins=1, threshold=0.2)
    assert actual == pytest.approx(total / mean.shape[-1], rel=1e-9)
    assert metric(log_probs, labels, 15, threshold=0.0) == metric(log_probs, labels, 15)


def test_a_class_without_a_probability_above_the_threshold_adds_nothing():
    log_probs = np.log([[[0.9, 0.1], [0.8, 0.2]]])
    actual = metrics.ece_classwise(log_probs, [0, 1], num_bins=1, threshold=0.5)
    assert actual == pytest.approx(abs(0.5 - 0.85) / 2)


def test_it_sees_what_the_top_label_hides():
    # The top label is right as often as it says; the other two classes are swapped.
    probability = np.tile([0.6, 0.3, 0.1], (10, 1))
    labels = np.array([0] * 6 + [1] * 1 + [2] * 3)
    log_probs = np.log(probability)[None]
    assert metrics.ece(log_probs, labels) == pytest.approx(0.0, abs=1e-12)
    for metric in (metrics.ece_classwise, metrics.ece_adaptive):
        assert metric(log_probs, labels) == pytest.approx((0.0 + 0.2 + 0.2) / 3)


def test_two_classes_have_the_same_error_each():
    rng = np.random.default_rng(4)
    first = rng.uniform(size=200)
    labels = (rng.uniform(size=200) > first).astype(int)
    log_probs = np.log(np.stack([first, 1 - first], axis=-1))[None]
    expected = by_scikit_learn(np.exp(log_probs[0]), labels, 10, "uniform")
    assert metrics.ece_classwise(log_probs, labels, 10) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", [metrics.ece_classwise, metrics.ece_adaptive])
def test_certain_predictions_are_extremes(metric):
    with np.errstate(divide="ignore"):
        certain = np.log([[[1.0, 0.0], [0.0, 1.0]]])
    assert metric(certain, [0, 1]) == 0.0
    assert metric(certain, [1, 0]) == 1.0
