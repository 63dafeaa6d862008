import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

import bnn
from bnn.estimators import Mean
from bnn.likelihoods import Categorical, Gamma, Normal, Positions

B, T, C = 6, 5, 4


@pytest.fixture
def logits(rng):
    return rng.normal(size=(B, T, C)).astype(np.float32)


@pytest.fixture
def labels(rng):
    return rng.integers(0, C, (B, T))


@pytest.fixture
def mask(rng):
    mask = rng.uniform(size=(B, T)) < 0.6
    mask[3] = False
    return mask


def log_probs(logits, labels):
    every = scipy.special.log_softmax(logits, axis=-1)
    return np.take_along_axis(every, labels[..., None], axis=-1)[..., 0]


def test_the_sum_over_the_positions(logits, labels):
    log_prob = Positions(Categorical()).checked_log_prob(tf.constant(logits), labels)
    np.testing.assert_allclose(log_prob, log_probs(logits, labels).sum(axis=1), rtol=1e-5)


def test_the_sum_over_the_pixels_of_an_image(rng):
    logits = rng.normal(size=(B, 3, 2, C)).astype(np.float32)
    labels = rng.integers(0, C, (B, 3, 2))
    log_prob = Positions(Categorical()).log_prob(tf.constant(logits), labels)
    np.testing.assert_allclose(log_prob, log_probs(logits, labels).sum(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("value", [-1, 17])
def test_masked_positions_do_not_count_whatever_stands_there(logits, labels, mask, mode, value):
    likelihood = Positions(Categorical())
    expected = (mask * log_probs(logits, labels)).sum(axis=1)
    targets = np.where(mask, labels, value)
    log_prob = mode(likelihood.log_prob)(
        tf.constant(logits), tf.constant(targets), tf.constant(mask)
    )
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-6)
    assert log_prob[3] == 0


def test_ignored_targets(logits, labels, mask):
    expected = (mask * log_probs(logits, labels)).sum(axis=1)
    targets = np.where(mask, labels, -1)
    log_prob = Positions(Categorical(), ignore=-1).log_prob(tf.constant(logits), targets)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-6)


def test_a_bad_label_that_counts_is_refused_and_compiled_is_nan(logits, labels, mask):
    mask[0, 0] = True
    labels[0, 0] = C
    with pytest.raises(ValueError, match=r"must lie in \[0, 4\), got 4 in row 0"):
        Positions(Categorical()).log_prob(tf.constant(logits), labels, mask)
    compiled = tf.function(Positions(Categorical()).log_prob, jit_compile=True)
    log_prob = compiled(tf.constant(logits), tf.constant(labels), tf.constant(mask))
    np.testing.assert_array_equal(np.isnan(log_prob), np.arange(B) == 0)


def test_gradients_of_masked_positions_are_zero_and_finite(mask, rng):
    outputs = tf.constant(rng.normal(size=(B, T, 1)), tf.float32)
    targets = np.where(mask, 1.0, np.nan)
    likelihood = Positions(Gamma(2.0))
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        log_prob = tf.reduce_sum(likelihood.log_prob(outputs, targets, mask))
    gradient = tape.gradient(log_prob, outputs).numpy()[..., 0]
    assert np.all(np.isfinite(gradient))
    np.testing.assert_array_equal(gradient != 0, mask)


def test_columns_at_every_position(rng):
    outputs, targets = rng.normal(size=(2, B, T, 3))
    log_prob = Positions(Normal(0.5)).log_prob(tf.constant(outputs), targets)
    expected = scipy.stats.norm.logpdf(targets, outputs, 0.5).sum(axis=(1, 2))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6)
    learned = Positions(Normal(0.5, trainable=True))
    learned.log_prob(tf.constant(outputs), targets)
    assert learned.trainable_variables[0].shape == (3,)


@pytest.mark.parametrize("num_samples", [1, 2])
def test_the_keras_mask_reaches_the_objective(rng, num_samples):
    """Padded steps do not count: the right value of the objective's NLL."""
    layers = [keras.layers.Masking(), bnn.layers.Dense(C)]
    model = keras.Sequential([keras.Input((T, 3)), *layers])
    x = rng.normal(size=(B, T, 3)).astype(np.float32)
    x[:, 3:] = 0
    labels = rng.integers(0, C, (B, T))
    expected = -log_probs(model(x).numpy(), labels)[:, :3].sum(axis=1).mean()
    objective = bnn.objectives.NegativeELBO(Positions(Categorical()), 100, num_samples)
    nll = objective(model, x, labels, estimator=Mean(), seed=0, step=0).nll
    np.testing.assert_allclose(nll, expected, rtol=1e-5)


def test_an_unknown_number_of_positions(logits, labels):
    function = tf.function(
        Positions(Categorical()).log_prob,
        [tf.TensorSpec([None, None, C]), tf.TensorSpec([None, None], tf.int64)],
    )
    expected = log_probs(logits, labels).sum(axis=1)
    np.testing.assert_allclose(function(logits, labels), expected, rtol=1e-5)


def test_predictive_of_positions(logits, labels, mask):
    samples = np.stack([logits, 2 * logits])
    likelihood = Positions(Categorical())
    flat = scipy.special.softmax(samples, axis=-1).mean(axis=0).reshape(-1, C)
    np.testing.assert_allclose(likelihood.predictive(samples).probs, flat, rtol=1e-5)
    each = [(mask * log_probs(s, labels)).sum(axis=1) for s in samples]
    joint = scipy.special.logsumexp(each, axis=0) - np.log(2)
    np.testing.assert_allclose(
        likelihood.joint_log_prob(samples, labels, mask), joint, rtol=1e-5, atol=1e-6
    )
    kept, targets = likelihood.flatten(samples, labels, mask)
    np.testing.assert_array_equal(targets, labels[mask])
    np.testing.assert_array_equal(kept, samples[:, mask])


def test_declarations():
    likelihood = Positions(Normal(0.5, trainable=True), ignore=-1)
    assert likelihood.task == "regression"
    assert likelihood.num_outputs(3) == 3
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(likelihood))
    assert copy.get_config() == likelihood.get_config()
    likelihood.build(2)
    assert likelihood.variables[0].shape == (2,)


@pytest.mark.parametrize(
    ("outputs", "targets", "mask", "message"),
    [
        ((B, C), (B,), None, r"takes outputs \[B, …, K\] .*\(6, 4\); use the likelihood without"),
        ((B, T, C), (B, 4), None, r"one event at each of the outputs' positions, \(6, 5\)"),
        ((B, T, C), (B,), None, r"one event at each .*got shape \(6,\)"),
        ((B, T, C), (B, T), (B, 4), r"mask must have the shape of the positions, \(6, 5\), got"),
    ],
)
def test_other_shapes(outputs, targets, mask, message):
    mask = None if mask is None else np.ones(mask, bool)
    with pytest.raises(ValueError, match=message):
        Positions(Categorical()).log_prob(tf.zeros(outputs), np.zeros(targets, int), mask)


def test_no_likelihood():
    with pytest.raises(ValueError, match=r"must be a likelihood object, got .*parenth"):
        Positions(Categorical)


# --- Values that stand for no target --------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "ignore", "stands", "counting"),
    [
        (np.int32, -1, -1, 0),
        (np.uint8, 255, 255, 1),
        (np.float32, np.nan, np.nan, 2),
        (np.float32, 0.1, 0.1, 0),
    ],
    ids=str,
)
def test_the_value_that_stands_for_none(logits, labels, mask, dtype, ignore, stands, counting):
    targets = np.where(mask, labels, counting).astype(dtype)
    targets[~mask] = stands
    log_prob = Positions(Categorical(), ignore=ignore).log_prob(tf.constant(logits), targets)
    expected = (mask * log_probs(logits, labels)).sum(axis=1)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ignore", [-1, 0.5, np.nan])
def test_no_integer_is_taken_for_a_value_that_it_is_not(rng, ignore):
    """As an unsigned byte −1 would be 255, and 0.5 and NaN would be 0: classes like any other."""
    logits = rng.normal(size=(1, 2, 256)).astype(np.float32)
    targets = np.array([[0, 255]], np.uint8)
    log_prob = Positions(Categorical(), ignore=ignore).log_prob(tf.constant(logits), targets)
    np.testing.assert_allclose(log_prob, log_probs(logits, targets).sum(axis=1), rtol=1e-5)


def test_a_mask_is_no_weight(logits, labels, mask):
    likelihood = Positions(Categorical())
    expected = likelihood.log_prob(logits, labels, mask)
    for kind in (np.float32, np.int64):
        np.testing.assert_array_equal(
            likelihood.log_prob(logits, labels, mask.astype(kind)), expected
        )
    for wrong in (0.3, np.nan, 2.0):
        with pytest.raises(ValueError, match=rf"mask must be boolean, .* got {wrong}; a position"):
            likelihood.log_prob(logits, labels, np.where(mask, wrong, 0.0))
    compiled = tf.function(likelihood.log_prob)
    with pytest.raises(ValueError, match=r"mask must be boolean, .* got unknown ones of float32"):
        compiled(tf.constant(logits), tf.constant(labels), tf.constant(mask, tf.float32))


def test_samples_without_positions(logits):
    with pytest.raises(
        ValueError, match=r"takes samples \[S, B, …, K\] with axes of positions, got"
    ):
        Positions(Categorical()).predictive(logits)
