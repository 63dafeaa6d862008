import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from bnn.likelihoods import Categorical

S, B, C = 5, 7, 4


@pytest.fixture
def logits(rng):
    return (3 * rng.normal(size=(S, B, C))).astype(np.float32)


@pytest.fixture
def labels(rng):
    return rng.integers(C, size=B)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_log_prob(logits, labels, dtype):
    expected = scipy.special.log_softmax(logits[0], axis=-1)[np.arange(B), labels]
    log_prob = Categorical().log_prob(tf.constant(logits[0]), labels.astype(dtype))
    assert log_prob.shape == (B,)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-6)


def test_log_prob_of_extreme_logits():
    log_prob = Categorical().log_prob(tf.constant([[1e4, 0.0], [0.0, 1e4]]), tf.constant([0, 0]))
    np.testing.assert_allclose(log_prob, [0, -1e4])


def test_half_precision_outputs_are_computed_in_float32(logits, labels):
    outputs = tf.constant(logits[0], tf.float16)
    log_prob = Categorical().log_prob(outputs, labels)
    assert log_prob.dtype == tf.float32
    expected = Categorical().log_prob(tf.cast(outputs, tf.float32), labels)
    np.testing.assert_array_equal(log_prob, expected)


def test_log_probs_of_samples(logits):
    expected = scipy.special.log_softmax(logits, axis=-1)
    np.testing.assert_allclose(Categorical().log_probs(logits), expected, rtol=1e-5, atol=1e-6)


def test_predictive_is_the_mean_of_the_probabilities(logits, labels):
    predictive = Categorical().predictive(tf.constant(logits))
    probabilities = scipy.special.softmax(logits, axis=-1).mean(axis=0)
    assert predictive.batch_shape == (B,)
    np.testing.assert_allclose(predictive.probs_parameter(), probabilities, rtol=1e-5)
    expected = np.log(probabilities[np.arange(B), labels])
    np.testing.assert_allclose(predictive.log_prob(labels), expected, rtol=1e-4)


def test_predictive_of_one_sample_is_the_likelihood(logits, labels):
    predictive = Categorical().predictive(logits[:1])
    expected = Categorical().log_prob(logits[0], labels)
    np.testing.assert_allclose(predictive.log_prob(labels), expected, rtol=1e-4, atol=1e-6)


def test_predictive_keeps_small_probabilities():
    """In log space: the mean of e^-200 and e^-300 is no zero."""
    logits = tf.constant([[[0.0, -200.0]], [[0.0, -300.0]]])
    log_prob = Categorical().predictive(logits).log_prob([1])
    np.testing.assert_allclose(log_prob, [-200 - np.log(2)], rtol=1e-6)


def test_labels_have_no_units(logits):
    with pytest.raises(ValueError, match=r"labels have no units, got \['loc', 'scale'\]; drop"):
        Categorical().predictive(logits, scale=2.0, loc=1.0)


def test_declarations():
    likelihood = Categorical()
    assert likelihood.task == "classification"
    assert likelihood.num_outputs(10) == 10
    assert likelihood.variables == likelihood.trainable_variables == []
