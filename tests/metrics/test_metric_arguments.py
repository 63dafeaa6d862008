"""Bad input is refused with the argument, the requirement, the value seen and the remedy."""

import numpy as np
import pytest

from bnn import metrics
from tests.metrics.arguments import raises, with_value

LOG_PROBS = np.log(np.full((2, 3, 4), 0.25))
LABELS = np.array([0, 1, 3])
LOC = np.zeros((2, 3))
TARGETS = np.zeros(3)

LABELLED = [
    metrics.nll,
    metrics.accuracy,
    metrics.error,
    metrics.brier,
    metrics.ece,
    metrics.ece_equal_mass,
    metrics.ece_classwise,
    metrics.ece_adaptive,
    metrics.reliability,
    metrics.classification_losses,
]
UNLABELLED = [
    metrics.uncertainty_scores,
    metrics.predictive_log_probs,
    metrics.predictive_entropy,
    metrics.aleatoric_entropy,
    metrics.epistemic_entropy,
]
SCORED = [
    metrics.log_likelihood,
    metrics.crps,
    metrics.mixture_cdf,
    metrics.interval_coverage,
    metrics.interval_score,
    metrics.pit_histogram,
    metrics.quantile_coverage,
    metrics.quantile_calibration_error,
    metrics.regression_losses,
]
SPREADS = [metrics.predictive_variance, metrics.sharpness, metrics.interval_width]
BINNED = [
    metrics.ece,
    metrics.ece_equal_mass,
    metrics.ece_classwise,
    metrics.ece_adaptive,
    metrics.reliability,
]


BAD_LOG_PROBS = {
    "rank": (
        LOG_PROBS[0],
        "log_probs must have shape [S, B, C], got shape (3, 4). "
        "Add a leading axis of length one for a single sample: log_probs[None].",
    ),
    "no samples": (
        LOG_PROBS[:0],
        "log_probs must hold at least one sample, one example and one class, got shape (0, 3, 4). "
        "Draw at least one sample and pass at least one example.",
    ),
    "no examples": (
        LOG_PROBS[:, :0],
        "log_probs must hold at least one sample, one example and one class, got shape (2, 0, 4). "
        "Draw at least one sample and pass at least one example.",
    ),
    "NaN": (
        with_value(LOG_PROBS, (1, 2, 3), np.nan),
        "log_probs must not contain NaN, got NaN at index (1, 2, 3). "
        "Find the step that produced it before scoring the predictions.",
    ),
    "logits": (
        with_value(LOG_PROBS, (1, 2), 1000.0),
        "log_probs must be log-probabilities that sum to one over the last axis, got a log-sum of "
        "1001.39 instead of 0 at (sample, example) (1, 2). Apply log_softmax to logits, in "
        "float32 or better, or the logarithm to probabilities.",
    ),
    "probabilities": (
        np.exp(LOG_PROBS),
        "log_probs must be log-probabilities that sum to one over the last axis, got a log-sum of "
        "1.63629 instead of 0 at (sample, example) (0, 0). Apply log_softmax to logits, in "
        "float32 or better, or the logarithm to probabilities.",
    ),
    "all zero": (
        with_value(LOG_PROBS, (0, 1), -np.inf),
        "log_probs must be log-probabilities that sum to one over the last axis, got a log-sum of "
        "-inf instead of 0 at (sample, example) (0, 1). Apply log_softmax to logits, in "
        "float32 or better, or the logarithm to probabilities.",
    ),
    "text": (
        [[["a"]]],
        "log_probs must be an array of real numbers, got dtype <U1. "
        "Pass a NumPy array or an eager tensor of floats.",
    ),
}


@pytest.mark.parametrize("case", BAD_LOG_PROBS)
def test_log_probs(case):
    log_probs, message = BAD_LOG_PROBS[case]
    for metric in UNLABELLED:
        with raises(message):
            metric(log_probs)
    for metric in LABELLED:
        with raises(message):
            metric(log_probs, LABELS)


BAD_LABELS = {
    "too large": (
        [0, 4, 3],
        "labels must lie in [0, 4), got 4 at index 1. "
        "Number the classes from 0 in the order of the last axis of log_probs.",
    ),
    "negative": (
        [0, 1, -1],
        "labels must lie in [0, 4), got -1 at index 2. "
        "Number the classes from 0 in the order of the last axis of log_probs.",
    ),
    "floats": (
        [0.0, 1.0, 3.0],
        "labels must be integers, got dtype float64. "
        "Take the argmax of one-hot labels, or cast with labels.astype(int).",
    ),
    "length": (
        [0, 1],
        "labels must have shape (3,), one per example of log_probs, got shape (2,). "
        "Pass the labels of the same examples, without further axes.",
    ),
    "column": (
        LABELS[:, None],
        "labels must have shape (3,), one per example of log_probs, got shape (3, 1). "
        "Pass the labels of the same examples, without further axes.",
    ),
}


@pytest.mark.parametrize("case", BAD_LABELS)
@pytest.mark.parametrize("metric", LABELLED, ids=lambda metric: metric.__name__)
def test_labels(metric, case):
    labels, message = BAD_LABELS[case]
    with raises(message):
        metric(LOG_PROBS, labels)


@pytest.mark.parametrize("num_bins", [0, -1, 15.0, "15"])
@pytest.mark.parametrize("metric", BINNED)
def test_num_bins(metric, num_bins):
    message = f"num_bins must be an integer of at least 1, got {num_bins!r}. Pass for example 15."
    with raises(message):
        metric(LOG_PROBS, LABELS, num_bins=num_bins)
    with raises(message):
        metrics.pit_histogram(LOC, 1.0, TARGETS, num_bins=num_bins)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 5.0])
@pytest.mark.parametrize("metric", [metrics.ece_classwise, metrics.ece_adaptive])
def test_threshold(metric, threshold):
    message = (
        f"threshold must be one number in [0, 1), got {threshold!r}. "
        "Pass a fraction, for example 0.01, not a percentage."
    )
    with raises(message):
        metric(LOG_PROBS, LABELS, threshold=threshold)


PAIRED = [metrics.risk_coverage, metrics.aurc, metrics.excess_aurc]
BAD_VECTORS = {
    "matrix": (
        [[1.0, 2.0]],
        "must be a vector of at least one number, got shape (1, 2). "
        "Pass one number for each example.",
    ),
    "empty": (
        [],
        "must be a vector of at least one number, got shape (0,). "
        "Pass one number for each example.",
    ),
    "NaN": (
        [0.0, np.nan],
        "must not contain NaN, got NaN at index (1,). "
        "Find the step that produced it before scoring the predictions.",
    ),
    "infinite": (
        [0.0, np.inf],
        "must be finite, got inf at index (1,). "
        "Find the step that produced it before scoring the predictions.",
    ),
}


@pytest.mark.parametrize("case", BAD_VECTORS)
def test_vectors(case):
    value, message = BAD_VECTORS[case]
    for metric in PAIRED:
        with raises(f"uncertainty {message}"):
            metric(value, [0.0, 1.0])
        with raises(f"loss {message}"):
            metric([0.0, 1.0], value)
    for metric in (metrics.detection, metrics.false_positive_rate):
        with raises(f"in_scores {message}"):
            metric(value, [0.0])
        with raises(f"out_scores {message}"):
            metric([0.0], value)


def test_uncertainty_and_loss_are_of_the_same_examples():
    for metric in PAIRED:
        with raises(
            "loss must have the length of uncertainty, 3, got 2. "
            "Pass one number for each of the same examples."
        ):
            metric([0.1, 0.2, 0.3], [0.0, 1.0])


@pytest.mark.parametrize("rate", [-0.1, 1.0, 95.0])
def test_true_positive_rate(rate):
    with raises(
        f"true_positive_rate must be one number in [0, 1), got {rate!r}. "
        "Pass a fraction, for example 0.01, not a percentage."
    ):
        metrics.false_positive_rate([0.0], [0.0], rate)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_levels(level):
    with raises(
        f"levels must lie strictly between 0 and 1, got {level}. "
        "Pass a probability, for example 0.95, not a percentage."
    ):
        metrics.quantile_coverage(LOC, 1.0, TARGETS, [0.5, level])


def test_input_is_left_as_it_was():
    log_probs, loc = LOG_PROBS.copy(), LOC.copy()
    for metric in LABELLED:
        metric(log_probs, LABELS)
    for metric in SCORED:
        metric(loc, 1.0, TARGETS)
    np.testing.assert_array_equal(log_probs, LOG_PROBS)
    np.testing.assert_array_equal(loc, LOC)


def test_the_example_of_the_package():
    log_probs = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]])
    labels = [0, 1]
    assert round(metrics.nll(log_probs, labels), 4) == 0.3670
    np.testing.assert_array_equal(metrics.epistemic_entropy(log_probs).round(4), [0.0324, 0.0863])
