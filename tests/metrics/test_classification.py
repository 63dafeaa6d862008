import numpy as np
import pytest
import sklearn.metrics
from scipy.special import logsumexp

from bnn import metrics


def test_predictive_is_the_mean_of_the_probabilities(classification):
    predictive = metrics.predictive_log_probs(classification.log_probs)
    np.testing.assert_allclose(predictive, np.log(classification.mean), rtol=1e-12)


def test_predictive_stays_finite_where_probabilities_underflow():
    tiny = np.array([[[-2000.0, 0.0]], [[-2001.0, 0.0]]])
    expected = -2000.0 + np.log((1.0 + np.exp(-1.0)) / 2.0)
    np.testing.assert_allclose(metrics.predictive_log_probs(tiny)[0, 0], expected, rtol=1e-12)


def test_nll_against_scikit_learn(classification):
    log_probs, labels, mean = classification
    expected = sklearn.metrics.log_loss(labels, mean / mean.sum(axis=-1, keepdims=True))
    assert metrics.nll(log_probs, labels) == pytest.approx(expected, rel=1e-12)


def test_nll_is_of_the_mixture_not_the_mean_over_samples(classification):
    log_probs, labels, _ = classification
    of_samples = -log_probs[:, np.arange(len(labels)), labels].mean()
    assert metrics.nll(log_probs, labels) < of_samples - 0.1


def test_nll_is_infinite_for_a_true_class_of_probability_zero():
    with np.errstate(divide="ignore"):
        log_probs = np.log([[[1.0, 0.0]], [[1.0, 0.0]]])
    assert metrics.nll(log_probs, [1]) == np.inf
    assert metrics.nll(log_probs, [0]) == 0.0


def test_one_sample_that_allows_the_class_keeps_nll_finite():
    with np.errstate(divide="ignore"):
        log_probs = np.log([[[1.0, 0.0]], [[0.5, 0.5]]])
    assert metrics.nll(log_probs, [1]) == pytest.approx(np.log(4.0), rel=1e-14)


def test_accuracy_and_error_against_scikit_learn(classification):
    log_probs, labels, mean = classification
    expected = sklearn.metrics.accuracy_score(labels, mean.argmax(axis=-1))
    assert metrics.accuracy(log_probs, labels) == pytest.approx(expected, abs=1e-15)
    assert metrics.error(log_probs, labels) == pytest.approx(1.0 - expected, abs=1e-15)


def test_ties_predict_the_lowest_class():
    log_probs = np.log(np.full((1, 2, 4), 0.25))
    assert metrics.accuracy(log_probs, [0, 3]) == 0.5


def test_brier_against_scikit_learn(classification):
    log_probs, labels, mean = classification
    # One class against the rest: the score of scikit-learn for two classes is half of the sum.
    expected = sum(
        sklearn.metrics.brier_score_loss(labels == c, mean[:, c]) for c in range(mean.shape[1])
    )
    assert metrics.brier(log_probs, labels) == pytest.approx(expected, rel=1e-12)


def test_brier_of_certain_predictions():
    with np.errstate(divide="ignore"):
        certain = np.log([[[1.0, 0.0]]])
    assert metrics.brier(certain, [0]) == 0.0
    assert metrics.brier(certain, [1]) == 2.0


@pytest.mark.parametrize("name", ["nll", "accuracy", "error", "brier"])
def test_scores_do_not_depend_on_the_order_of_samples_or_examples(classification, name):
    log_probs, labels, _ = classification
    score = getattr(metrics, name)
    assert isinstance(score(log_probs, labels), float)
    expected = pytest.approx(score(log_probs, labels), rel=1e-12)
    assert score(log_probs[::-1], labels) == expected
    assert score(log_probs[:, ::-1], labels[::-1]) == expected


def test_single_precision_input_is_scored_in_double(classification):
    log_probs, labels, _ = classification
    single = log_probs.astype(np.float32)
    assert metrics.predictive_log_probs(single).dtype == np.float64
    assert metrics.nll(single, labels.astype(np.uint8)) == pytest.approx(
        metrics.nll(log_probs, labels), rel=1e-6
    )


def test_blocks_of_examples_change_no_bit(rng, monkeypatch):
    logits = rng.normal(size=(3, 50, 4))
    log_probs = logits - logsumexp(logits, axis=-1, keepdims=True)
    whole = metrics.predictive_log_probs(log_probs)
    monkeypatch.setattr("bnn.metrics._validation._BLOCK", 7 * 12)
    np.testing.assert_array_equal(metrics.predictive_log_probs(log_probs), whole)
    log_probs[1, 33] += 1.0
    message = r"log-sum of 1 instead of 0 at \(sample, example\) \(1, 33\)"
    with pytest.raises(ValueError, match=message):
        metrics.predictive_log_probs(log_probs)
