import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from bnn.likelihoods import Categorical, SoftCategorical

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


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16])
def test_labels_of_a_type_that_the_number_of_classes_does_not_fit(rng, mode, dtype):
    """256 as an unsigned byte would be 0: no label would be below it."""
    logits = rng.normal(size=(3, 65536 if dtype is np.uint16 else 256)).astype(np.float32)
    labels = np.array([0, 100, np.iinfo(dtype).max], dtype)
    log_prob = mode(Categorical().log_prob)(tf.constant(logits), tf.constant(labels))
    expected = scipy.special.log_softmax(logits, axis=-1)[np.arange(3), labels]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)


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
    assert predictive.shape == (B, C)
    np.testing.assert_allclose(predictive.probs, probabilities, rtol=1e-5)
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


LABELS = [
    (np.full(4, 0.9, "f"), r"without fractions, got 0.9 in row 0 \(4 such rows\); .*SoftCat"),
    (
        np.array([0, 1, 2, -1]),
        r"wrong label range: .*\[0, 4\), got -1 in row 3 \(1 such rows\); num",
    ),
    (np.array([0, 1, 4, 4]), r"must lie in \[0, 4\), got 4 in row 2 \(2 such rows\)"),
    (np.array([0, 1, 2, 2**31], np.int64), r"got 2.14748e\+09 in row 3"),
    (np.array([0, 1, 2, np.nan]), r"got nan in row 3"),
    (np.eye(4, dtype="f"), r"got targets of shape \(4, 4\); .*tf.argmax\(targets, -1\)"),
    (np.zeros((4, 1), int), r"got targets of shape \(4, 1\); take the column: targets\[:, 0\]"),
    (np.zeros((4, 2, 2), int), r"takes class labels \[B\], got .*\(4, 2, 2\); .*Positions"),
    (np.zeros(3, int), r"got 4 rows of outputs and targets of shape \(3,\); pair every"),
    (np.array(["a"] * 4), r"got string; number the classes from 0.*StringLookup"),
    ([np.zeros(4, int)] * 2, r"takes one target.* got a list of 2; .*Heads"),
    ({"a": np.zeros(4, int)}, r"takes one target.* got a dict of 1; .*Heads"),
    (tf.ragged.constant([[0], [1, 2]]), r"got a RaggedTensor; make it dense"),
]


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("labels", "message"), LABELS)
def test_labels_of_another_kind(labels, message, traced):
    """As arguments of an eager call and as constants of a compiled function."""

    def log_prob():
        return Categorical().log_prob(tf.zeros((4, 4)), labels)

    with pytest.raises(ValueError, match=message):
        (tf.function(log_prob, jit_compile=True, autograph=False) if traced else log_prob)()


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("bad", [-1, 4, 2**31, 0.5, np.nan, np.inf])
def test_a_bad_label_that_only_a_compiled_function_sees_is_nan(bad, jit_compile, logits):
    """And the right ones beside it keep their values."""
    labels = np.array([0, 1, bad])
    log_prob = tf.function(Categorical().log_prob, jit_compile=jit_compile, autograph=False)
    values = log_prob(logits[0][:3], tf.constant(labels)).numpy()
    assert np.isnan(values[2])
    expected = Categorical().log_prob(logits[0][:2], [0, 1])
    np.testing.assert_allclose(values[:2], expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
def test_labels_without_fractions_are_taken(logits, dtype):
    labels = np.arange(B) % 2
    expected = Categorical().log_prob(logits[0], labels)
    np.testing.assert_array_equal(Categorical().log_prob(logits[0], labels.astype(dtype)), expected)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 1), r"one logit per class, at least 2, .*\(4, 1\); .*Bernoulli"),
        ((4, 5, 3), r"takes outputs \[B, K\], got shape \(4, 5, 3\); .*Positions\(Categorical"),
        ((4,), r"takes outputs \[B, K\], got shape \(4,\); keep the batch axis"),
    ],
)
def test_outputs_of_another_shape(shape, message):
    with pytest.raises(ValueError, match=message):
        Categorical().log_prob(tf.zeros(shape), np.zeros(4, int))


def test_several_outputs():
    with pytest.raises(ValueError, match=r"takes one output \[B, K\], got a list of 2; .*Heads"):
        Categorical().log_prob([tf.zeros((4, 3))] * 2, np.zeros(4, int))


class PerPosition(Categorical):
    def log_prob(self, outputs, targets):
        return tf.gather(tf.nn.log_softmax(outputs), targets, batch_dims=2)


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: tf.function(f, autograph=False)])
def test_a_likelihood_that_returns_more_than_one_number_an_example_is_refused(wrap):
    outputs, labels = tf.zeros((6, 5, 3)), np.zeros((6, 5), int)
    with pytest.raises(
        ValueError,
        match=r"PerPosition.log_prob must return one number an example, \[B\] = \[6\], got shape "
        r"\(6, 5\); .*Positions\(...\), which takes a mask.*Heads",
    ):
        wrap(lambda: PerPosition().checked_log_prob(outputs, labels))()


def test_checked_log_prob_is_log_prob(logits, labels):
    expected = Categorical().log_prob(logits[0], labels)
    checked = Categorical().checked_log_prob(tf.constant(logits[0]), labels)
    np.testing.assert_array_equal(checked, expected)
    unknown = tf.TensorSpec([None, C])
    function = tf.function(
        lambda x: Categorical().checked_log_prob(x, labels), [unknown], autograph=False
    )
    np.testing.assert_allclose(function(logits[0]), expected, rtol=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_label_smoothing_and_soft_targets(logits, labels, epsilon):
    """Both are Σ_c t_c log p_c, t the smoothed one-hot vector."""
    targets = (1 - epsilon) * np.eye(C)[labels] + epsilon / C
    expected = (targets * scipy.special.log_softmax(logits[0], axis=-1)).sum(axis=-1)
    smoothed = Categorical(epsilon).log_prob(logits[0], labels)
    np.testing.assert_allclose(smoothed, expected, rtol=1e-5)
    for soft in (
        SoftCategorical().log_prob(logits[0], targets),
        SoftCategorical(epsilon).log_prob(logits[0], np.eye(C)[labels]),
    ):
        np.testing.assert_allclose(soft, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0.5, 0.4], [0.5, 0.5]], r"sum to 1 over the classes, got 0.5 in row 0 \(1 such rows\)"),
        ([[0.5, 0.5], [1.5, -0.5]], r"got 1.5 in row 1 .*divide each row by its sum"),
        ([0, 1], r"takes probabilities \[B, C\] of the shape.*\(2, 2\), got .*Categorical for"),
    ],
)
def test_soft_targets_of_another_kind(targets, message):
    with pytest.raises(ValueError, match=message):
        SoftCategorical().log_prob(tf.zeros((2, 2)), targets)
    if np.ndim(targets) == 2:
        log_prob = tf.function(SoftCategorical().log_prob, autograph=False)
        bad = np.isnan(log_prob(tf.zeros((2, 2)), tf.constant(targets)))
        np.testing.assert_array_equal(bad, [sum(t) != 1 or min(t) < 0 for t in targets])


@pytest.mark.parametrize("value", [-0.1, 1.0, "0.1", True])
def test_unusable_label_smoothing(value):
    with pytest.raises(ValueError, match=rf"label_smoothing must lie in \[0, 1\), got {value!r}"):
        Categorical(value)


def test_entropies_of_the_predictive(logits):
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    predictive = Categorical().predictive(logits)
    total = scipy.stats.entropy(probabilities.mean(axis=0), axis=-1)
    aleatoric = scipy.stats.entropy(probabilities, axis=-1).mean(axis=0)
    np.testing.assert_allclose(predictive.total(), total, rtol=1e-9)
    np.testing.assert_allclose(predictive.aleatoric(), aleatoric, rtol=1e-9)
    np.testing.assert_allclose(predictive.epistemic(), total - aleatoric, atol=1e-9)
    np.testing.assert_array_equal(predictive.mode(), probabilities.mean(axis=0).argmax(axis=-1))
    np.testing.assert_allclose(predictive.mean(), probabilities.mean(axis=0), rtol=1e-9)
    certain = Categorical().predictive([[[0.0, -1e4]]])
    np.testing.assert_array_equal(certain.total(), [0.0])


def test_samples_of_the_predictive(logits, assert_mean):
    predictive = Categorical().predictive(3 * logits[:, :2] / 10)
    labels = predictive.sample(20_000, seed=1).numpy()
    assert labels.shape == (20_000, 2)
    assert_mean(np.eye(C)[labels], predictive.probs.numpy())
    with pytest.raises(ValueError, match="num_samples must be an integer of at least 1, got 0"):
        predictive.sample(0)


def test_ranked_probability_score():
    """F = (0.2, 0.7, 1) and y = 1: (0.2)² + (0.7 − 1)²."""
    predictive = Categorical().predictive(np.log([[[0.2, 0.5, 0.3]]]))
    np.testing.assert_allclose(predictive.crps([1]), [0.13])
    np.testing.assert_allclose(predictive.cdf([1]), [0.7])


def test_labels_have_no_units(logits):
    with pytest.raises(ValueError, match=r"labels have no units, got \['loc', 'scale'\]; drop"):
        Categorical().predictive(logits, scale=2.0, loc=1.0)


def test_declarations():
    likelihood = Categorical()
    assert likelihood.task == "classification"
    assert likelihood.num_outputs(10) == 10
    assert likelihood.variables == likelihood.trainable_variables == []
