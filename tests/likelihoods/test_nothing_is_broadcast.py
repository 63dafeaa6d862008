"""Units, learned numbers and outputs of another width than the targets', and NaN: never a guess."""

import numpy as np
import pytest
import tensorflow as tf

from bnn import likelihoods as L
from tests.likelihoods import checks
from tests.likelihoods.descriptors import BY_NAME, COLUMNS, B, S

LEARNED = ["Beta", "Gamma", "Laplace", "LogNormal", "NegativeBinomial", "Quantile", "StudentT"]
OF_COLUMNS = pytest.mark.parametrize("descriptor", COLUMNS, ids=lambda d: d.name)


@OF_COLUMNS
@pytest.mark.parametrize("argument", ["loc", "scale"])
@pytest.mark.parametrize("shape", [(3,), (1,), (B, 1), (1, 2), (S, B, 2)], ids=str)
def test_units_of_another_width(descriptor, argument, shape):
    outputs, _ = checks.example(descriptor, S, B)
    likelihood = descriptor.built()
    width = likelihood.predictive(outputs).shape[1]
    if shape == (width,):
        likelihood.predictive(outputs, **{argument: np.ones(shape)})
        return
    message = rf"{argument} must be a number or \[D\] = \[{width}\], .* got shape .*broadcast"
    with pytest.raises(ValueError, match=message):
        likelihood.predictive(outputs, **{argument: np.ones(shape)})


def test_a_loc_that_is_no_number():
    with pytest.raises(ValueError, match=r"loc must be finite, got nan; it is the mean that was"):
        L.Normal().predictive(np.zeros((1, 2, 1)), loc=np.nan)


@pytest.mark.parametrize("name", [*LEARNED, "Normal"])
def test_learned_numbers_of_another_width(name):
    """They were broadcast: outputs of one column had the noise of three."""
    likelihood = getattr(L, name)(trainable=True)
    likelihood.build(3)
    with pytest.raises(ValueError, match=f"{name} was built for 3 target columns, got 1"):
        likelihood.predictive(np.zeros((S, B, 1)))
    assert likelihood.predictive(np.zeros((S, B, 3))).variance().shape == (B, 3)


@pytest.mark.parametrize(
    ("name", "width", "message"),
    [
        ("Weibull", 2, r"Weibull takes one output an example, \[B, 1\], got \(3, 5, 2\)"),
        ("Ordinal", 2, r"Ordinal takes one score an example, \[B, 1\], got .*\(3, 5, 2\)"),
        ("Categorical", 1, r"Categorical needs one logit per class, at least 2, got .*\(3, 5, 1\)"),
        ("SoftCategorical", 1, r"SoftCategorical needs one logit per class, at least 2"),
    ],
)
def test_samples_of_another_width(name, width, message):
    likelihood = BY_NAME[name].make()
    likelihood.build(3)
    with pytest.raises(ValueError, match=message):
        likelihood.predictive(np.zeros((S, B, width)))


@OF_COLUMNS
def test_targets_of_the_distribution_function(descriptor):
    outputs, _ = checks.example(descriptor, S, B)
    said = descriptor.built().predictive(outputs)
    width = said.shape[1]
    assert said.cdf(np.full((7, B, width), 0.5)).shape == (7, B, width)
    assert np.isnan(said.cdf(np.full((B, width), np.nan))).all()
    for shape in [(B,), (B, width + 1), (1, width), (7, 1, 1)]:
        with pytest.raises(
            ValueError, match=r"targets of cdf must be \[…, B, D\] with .* got shap"
        ):
            said.cdf(np.full(shape, 0.5))


def test_units_of_time_and_event_are_those_of_the_time():
    """As a run has them, `[2]`: the prediction had a second column, of no unit."""
    likelihood = L.Weibull()
    likelihood.build()
    samples = np.zeros((S, B, 1))
    units = {"loc": np.zeros(2), "scale": np.array([3.0, 1.0])}
    said, expected = (
        likelihood.predictive(samples, **units),
        likelihood.predictive(samples, scale=3),
    )
    np.testing.assert_array_equal(said.mean(), expected.mean())
    targets = np.array([[2.0, 1.0]] * B)
    np.testing.assert_array_equal(said.log_prob(targets), expected.log_prob(targets))
    with pytest.raises(ValueError, match=r"scale of whether an event was seen must be 1, got 2"):
        likelihood.predictive(samples, scale=[3.0, 2.0])


def test_a_list_of_large_targets_is_not_rounded():
    """TensorFlow reads numbers of a list as float32, half a unit apart near 10⁷."""
    said = L.Normal(0.1).predictive(np.zeros((1, 1, 1)), loc=1e7)
    assert float(said.cdf([[1e7 + 0.1]])[0, 0]) == pytest.approx(0.8413447, abs=1e-6)


def test_no_label_is_drawn_from_no_probabilities():
    """Class 0 was, and `mode` named it."""
    logits = np.zeros((S, 3, 4))
    logits[0, 1] = np.nan
    logits[:, :, 2] = 5
    said = L.Categorical().predictive(logits)
    np.testing.assert_array_equal(said.mode(), [2, -1, 2])
    labels = said.sample(50).numpy()
    assert (labels[:, 1] == -1).all()
    assert (labels[:, [0, 2]] >= 0).all()


def test_a_logit_of_nan_is_no_answer():
    said = L.Bernoulli().predictive(np.array([[[np.nan], [1.0]]]))
    for values in (said.cdf(np.ones((2, 1))), said.quantile(0.3), said.sample(4)[0]):
        np.testing.assert_array_equal(np.isnan(values), [[True], [False]])


def test_heads_of_other_examples():
    heads = L.Heads({"a": L.Normal(), "b": L.Categorical()})
    outputs = {"a": tf.zeros((2, 1)), "b": tf.zeros((1, 3))}
    with pytest.raises(ValueError, match=r"Heads: every head must have one row an example, got"):
        heads.log_prob(outputs, {"a": np.zeros(2), "b": np.zeros(1, int)})


@pytest.mark.parametrize("rows", [(1, B), (B, 1)], ids=["one output", "one target"])
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_one_row_where_a_compiled_function_knows_no_numbers_of_rows(rows, xla):
    """It was broadcast to all examples. XLA has no assertions: every row is NaN there."""
    signature = [tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])]
    checked = tf.function(L.Normal().checked_log_prob, signature, jit_compile=xla)
    assert np.isfinite(checked(np.zeros((B, 1)), np.ones((B, 1)))).all()
    outputs, targets = (np.zeros((count, 1)) for count in rows)
    if xla:
        assert np.isnan(checked(outputs, targets)).all()
        return
    with pytest.raises(tf.errors.InvalidArgumentError, match="Normal: outputs and targets must"):
        checked(outputs, targets)
