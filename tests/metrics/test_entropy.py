import numpy as np
import pytest
import scipy.stats

from bnn import metrics


def test_predictive_entropy_against_scipy(classification):
    expected = scipy.stats.entropy(classification.mean, axis=-1)
    actual = metrics.predictive_entropy(classification.log_probs)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_aleatoric_entropy_against_scipy(classification):
    expected = scipy.stats.entropy(np.exp(classification.log_probs), axis=-1).mean(axis=0)
    actual = metrics.aleatoric_entropy(classification.log_probs)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_epistemic_entropy_is_the_mean_divergence_from_the_mixture(classification):
    log_probs, _, mean = classification
    expected = scipy.stats.entropy(np.exp(log_probs), mean[None], axis=-1).mean(axis=0)
    np.testing.assert_allclose(metrics.epistemic_entropy(log_probs), expected, rtol=1e-9)


def test_the_parts_add_up(classification):
    log_probs = classification.log_probs
    total = metrics.aleatoric_entropy(log_probs) + metrics.epistemic_entropy(log_probs)
    np.testing.assert_allclose(metrics.predictive_entropy(log_probs), total, rtol=1e-12)


def test_samples_that_agree_have_no_epistemic_part(classification):
    same = np.repeat(classification.log_probs[:1], 9, axis=0)
    epistemic = metrics.epistemic_entropy(same)
    assert (epistemic >= 0.0).all()
    np.testing.assert_allclose(epistemic, 0.0, atol=1e-14)


def test_certain_samples_that_disagree_are_all_epistemic():
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.eye(3))[:, None]  # three samples, each certain of another class
    np.testing.assert_allclose(metrics.predictive_entropy(log_probs), np.log(3.0), rtol=1e-14)
    np.testing.assert_array_equal(metrics.aleatoric_entropy(log_probs), 0.0)
    np.testing.assert_allclose(metrics.epistemic_entropy(log_probs), np.log(3.0), rtol=1e-14)


@pytest.mark.parametrize("num_classes", [1, 2, 10])
def test_uniform_samples_are_all_aleatoric(num_classes):
    uniform = np.full((4, 2, num_classes), -np.log(num_classes))
    for entropy in (metrics.predictive_entropy, metrics.aleatoric_entropy):
        np.testing.assert_allclose(entropy(uniform), np.log(num_classes), rtol=1e-14)
    np.testing.assert_allclose(metrics.epistemic_entropy(uniform), 0.0, atol=1e-15)
