import math

import numpy as np
import pytest
import tensorflow as tf

from bnn import operators

LAST, FIRST = "channels_last", "channels_first"


def convolution(rank, data_format=LAST, strides=1, padding="valid", dilation=1, causal=False):
    return operators.Convolution(
        (strides,) * rank, padding, data_format, (dilation,) * rank, causal
    )


# Operator, shape of the inputs, shape of the weights, shape of the outputs.
CASES = {
    "dense": (operators.Dense(), (4, 3), (3, 5), (4, 5)),
    "dense positions": (operators.Dense(), (4, 2, 6, 3), (3, 5), (4, 2, 6, 5)),
    "conv1d": (convolution(1), (4, 7, 3), (2, 3, 5), (4, 6, 5)),
    "conv1d causal": (convolution(1, causal=True), (4, 7, 3), (2, 3, 5), (4, 7, 5)),
    "conv2d": (convolution(2, padding="same"), (4, 6, 5, 3), (3, 2, 3, 5), (4, 6, 5, 5)),
    "conv2d strides": (convolution(2, strides=2), (4, 6, 5, 3), (3, 2, 3, 5), (4, 2, 2, 5)),
    "conv2d groups": (convolution(2), (4, 4, 5, 6), (2, 2, 3, 8), (4, 3, 4, 8)),
    "conv2d first": (convolution(2, FIRST), (4, 3, 6, 5), (3, 2, 3, 5), (4, 5, 4, 4)),
    "conv3d": (convolution(3), (2, 3, 4, 5, 3), (2, 2, 2, 3, 4), (2, 2, 3, 4, 4)),
    "bias": (operators.Bias(), (4, 1), (5,), (4, 5)),
    "bias positions": (operators.Bias(), (4, 1, 1, 1), (5,), (4, 1, 1, 5)),
    "bias first": (operators.Bias(FIRST), (4, 1, 1, 1), (5,), (4, 5, 1, 1)),
}
EACH = pytest.mark.parametrize(
    ("operator", "inputs", "weights", "outputs"), CASES.values(), ids=CASES
)


@pytest.fixture
def array(rng):
    def make(shape):
        return tf.constant(rng.normal(size=shape), tf.float32)

    return make


@EACH
def test_shape(operator, inputs, weights, outputs, array):
    assert operator(array(inputs), array(weights)).shape == outputs


@EACH
def test_linear_in_the_weights(operator, inputs, weights, outputs, array):
    x, w1, w2 = array(inputs), array(weights), array(weights)
    expected = operator(x, w1) - 3 * operator(x, w2)
    np.testing.assert_allclose(operator(x, w1 - 3 * w2), expected, rtol=1e-4, atol=1e-4)


@EACH
def test_linear_in_the_inputs(operator, inputs, weights, outputs, array):
    """Which Flipout's signs need; a bias has no such inputs."""
    if operator.input_channels(weights) is None:
        pytest.skip("does not read its inputs")
    x1, x2, w = array(inputs), array(inputs), array(weights)
    expected = operator(x1, w) + 2 * operator(x2, w)
    np.testing.assert_allclose(operator(x1 + 2 * x2, w), expected, rtol=1e-4, atol=1e-4)


@EACH
def test_variance_is_that_of_independent_weights(operator, inputs, weights, outputs, array):
    """Each output is Σ_j op(x, e_j) w_j: its variance is Σ_j op(x, e_j)² V_j."""
    x, variances = array(inputs), tf.square(array(weights))
    units = tf.reshape(tf.eye(math.prod(weights)), (-1, *weights))
    terms = [tf.square(operator(x, e)) * tf.reduce_sum(e * variances) for e in units]
    np.testing.assert_allclose(operator.variance(x, variances), sum(terms), rtol=1e-4, atol=1e-5)


@EACH
def test_weights_are_cast_to_the_inputs(operator, inputs, weights, outputs, array):
    if operator == CASES["conv2d first"][0]:
        pytest.skip("on the CPU TensorFlow has this layout in float32 only")
    for dtype in (tf.float16, tf.float64):
        y = operator(tf.cast(array(inputs), dtype), array(weights))
        assert y.dtype == dtype


def test_variance_does_not_underflow_in_float16():
    scale = 1e-4  # its square is below float16's smallest number
    x = tf.ones((1, 4), tf.float16)
    variance = operators.Dense().variance(x, tf.fill((4, 1), scale**2))
    assert variance.dtype == tf.float32
    assert float(variance[0, 0]) == pytest.approx(4 * scale**2, rel=1e-5)


def test_causal_convolution_sees_the_past_only(array):
    operator = convolution(1, dilation=2, causal=True)
    x, w = array((1, 9, 2)), array((3, 2, 4))
    later = tf.concat([x[:, :5], array((1, 4, 2))], axis=1)
    y, changed = operator(x, w), operator(later, w)
    np.testing.assert_allclose(y[:, :5], changed[:, :5], rtol=1e-5)
    assert np.all(np.abs(y[:, 5:] - changed[:, 5:]) > 1e-3)
    # The first output uses the first input and the last tap of the window.
    np.testing.assert_allclose(y[0, 0], tf.linalg.matvec(w[2], x[0, 0], True), rtol=1e-4)


def test_causal_padding_in_both_formats(array):
    x, w = array((2, 8, 3)), array((2, 3, 4))
    expected = convolution(1, causal=True)(x, w)
    y = convolution(1, FIRST, causal=True)(tf.transpose(x, [0, 2, 1]), w)
    np.testing.assert_allclose(tf.transpose(y, [0, 2, 1]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("operator", "shape", "channels"),
    [
        (operators.Dense(), (3, 5), (3, 5)),
        (convolution(1), (2, 3, 5), (3, 5)),
        (convolution(2, FIRST), (3, 2, 3, 5), (3, 5)),
        (operators.Convolution((1, 1), "valid", LAST, (1, 1), groups=2), (2, 2, 3, 8), (6, 8)),
        (operators.Bias(), (5,), (None, 5)),
    ],
)
def test_channels_whose_signs_can_be_flipped(operator, shape, channels):
    """All inputs' channels, those of every group; a bias has no inputs with signs."""
    assert (operator.input_channels(shape), operator.output_channels(shape)) == channels


@pytest.mark.parametrize(
    ("operator", "shape", "expected"),
    [
        (operators.Dense(), (4, 3), (4, 3)),
        (operators.Dense(), (4, 7, 3), (4, 1, 3)),
        (convolution(2), (4, 6, 5, 3), (4, 1, 1, 3)),
        (convolution(2, FIRST), (4, 3, 6, 5), (4, 3, 1, 1)),
        (operators.Bias(FIRST), (4, 3, 1, 1), (4, 3, 1, 1)),
    ],
)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
def test_numbers_per_channel_stand_along_the_channels(operator, shape, expected, dtype, array):
    values = array((4, 3))
    placed = operator.per_channel(values, tf.zeros(shape, dtype))
    assert placed.dtype == dtype
    np.testing.assert_array_equal(placed, tf.reshape(tf.cast(values, dtype), expected))


def test_bias_of_an_unknown_batch():
    @tf.function(input_signature=[tf.TensorSpec([None, 7, 3])])
    def bias(x):
        return operators.Bias()(x, tf.constant([1.0, 2.0]))

    np.testing.assert_array_equal(bias(tf.zeros((4, 7, 3))), np.tile([[[1.0, 2.0]]], (4, 1, 1)))


def test_bias_does_not_read_its_inputs():
    y = operators.Bias()(tf.fill((2, 3), np.nan), tf.constant([1.0, 2.0]))
    np.testing.assert_array_equal(y, [[1.0, 2.0]] * 2)


def test_an_operator_without_signs_and_squares_of_its_own():
    """The base knows the square of its inputs, and no channels whose signs could be flipped."""

    class Scale(operators.Operator):
        def apply(self, inputs, weights):
            return inputs * weights

        def output_channels(self, weight_shape):
            return weight_shape[0]

    x, v = tf.constant([[2.0, -3.0]]), tf.constant([0.5, 1.0])
    np.testing.assert_array_equal(Scale().variance(x, v), [[2.0, 9.0]])
    assert Scale().input_channels((2,)) is None


def test_operators_compare_by_value():
    assert convolution(2) == convolution(2)
    assert convolution(2) != convolution(2, FIRST)
    assert operators.Dense() == operators.Dense()
