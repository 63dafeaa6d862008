"""The operators behind embeddings, sums of products, transposed and depthwise convolutions."""

import math

import numpy as np
import pytest
import tensorflow as tf

from bnn import operators

LAST, FIRST = "channels_last", "channels_first"

# Operator, shape of the inputs, of the weights, of the outputs, and channels in and out.
CASES = {
    "scale": (operators.Scale((1, 3)), (4, 5, 3), (3,), (4, 5, 3), None, 3),
    "scale axes": (operators.Scale((2, 1, 3)), (4, 2, 5, 3), (2, 3), (4, 2, 5, 3), None, 6),
    "offset": (operators.Offset((1, 3)), (4, 5, 3), (3,), (4, 1, 3), None, 3),
    "depthwise": (
        operators.DepthwiseConvolution((1, 1), "valid", LAST, (1, 1)),
        (4, 5, 4, 3),
        (2, 2, 3, 2),
        (4, 4, 3, 6),
        3,
        6,
    ),
    "transpose": (
        operators.ConvolutionTranspose((2,), "valid", None, LAST, (1,)),
        (4, 5, 3),
        (2, 6, 3),
        (4, 10, 6),
        3,
        6,
    ),
    "pointwise": (operators.Pointwise(LAST), (4, 5, 3), (1, 3, 2), (4, 5, 2), 3, 2),
    "pointwise first": (operators.Pointwise(FIRST), (4, 3, 5), (1, 3, 2), (4, 2, 5), 3, 2),
    "einsum": (operators.Einsum("abc,cde->abde"), (4, 5, 3), (3, 2, 6), (4, 5, 2, 6), None, 12),
    "einsum left": (operators.Einsum("...x,xy->...y"), (4, 5, 3), (3, 2), (4, 5, 2), None, 2),
    "einsum right": (operators.Einsum("ab...,bc->ac..."), (4, 3, 5), (3, 2), (4, 2, 5), None, 2),
    "einsum idle": (operators.Einsum("abc,cd->ad"), (4, 5, 3), (3, 2), (4, 2), None, 2),
    "einsum shared": (operators.Einsum("abc,c->abc"), (4, 5, 3), (3,), (4, 5, 3), None, 3),
    "einsum all": (operators.Einsum("abc,bc->a"), (4, 5, 3), (5, 3), (4,), None, 1),
}
EACH = pytest.mark.parametrize(
    ("operator", "inputs", "weights", "outputs", "num_in", "num_out"), CASES.values(), ids=CASES
)


@pytest.fixture
def array(rng):
    return lambda shape: tf.constant(rng.normal(size=shape), tf.float32)


@EACH
def test_linear_in_the_weights(operator, inputs, weights, outputs, num_in, num_out, array):
    x, w1, w2 = array(inputs), array(weights), array(weights)
    assert operator(x, w1).shape == outputs
    expected = operator(x, w1) - 3 * operator(x, w2)
    np.testing.assert_allclose(operator(x, w1 - 3 * w2), expected, rtol=1e-4, atol=1e-4)


@EACH
def test_variance_is_that_of_independent_weights(
    operator, inputs, weights, outputs, num_in, num_out, array
):
    x, variances = array(inputs), tf.square(array(weights))
    units = tf.reshape(tf.eye(math.prod(weights)), (-1, *weights))
    terms = [tf.square(operator(x, e)) * tf.reduce_sum(e * variances) for e in units]
    np.testing.assert_allclose(operator.variance(x, variances), sum(terms), rtol=1e-4, atol=1e-5)


@EACH
def test_signs_of_channels_are_signs_of_weights(
    operator, inputs, weights, outputs, num_in, num_out, array, rng
):
    """Flipping the outputs' channels flips whole slices of weights: each weight has one sign."""
    assert operator.input_channels(weights) == num_in
    assert operator.output_channels(weights) == num_out
    x, w = array(inputs), array(weights)
    signs = tf.constant(rng.choice([-1.0, 1.0], (inputs[0], num_out)), tf.float32)
    y = operator(x, w)
    flipped = y * operator.per_channel(signs, y)
    for b in range(inputs[0]):
        # Least squares in w for this example's flipped outputs: they are op(x_b, some ±w).
        units = tf.reshape(tf.eye(math.prod(weights)), (-1, *weights))
        columns = tf.stack([tf.reshape(operator(x[b : b + 1], e), [-1]) for e in units], axis=1)
        touched = np.abs(columns * tf.reshape(w, [1, -1])) > 1e-6
        ratio = np.sign(np.reshape(flipped[b], -1) * np.reshape(y[b], -1))
        for column in range(touched.shape[1]):
            assert len(set(ratio[touched[:, column]])) <= 1


@EACH
def test_weights_are_cast_to_the_inputs(operator, inputs, weights, outputs, num_in, num_out, array):
    for dtype in (tf.float16, tf.float64):
        y = operator(tf.cast(array(inputs), dtype), array(weights))
        assert y.dtype == dtype == operator.output_dtype(tf.cast(array(inputs), dtype))


def test_lookup(array):
    w = array((5, 3))
    ids = np.array([[0, 4, 4], [-1, 2, 0]])
    for given in (ids, ids.astype("int32"), ids.astype("float32")):
        y = operators.Lookup()(tf.constant(given), w)
        np.testing.assert_array_equal(y, w.numpy()[ids])
    low = operators.Lookup("float16")
    assert low(tf.constant(ids), w).dtype == tf.float16 == low.output_dtype(tf.constant(ids))
    assert low.input_channels((5, 3)) is None
    assert low.output_channels((5, 3)) == 3
    variance = low.variance(tf.constant(ids), tf.fill((5, 3), 1e-9))
    assert variance.dtype == tf.float32
    np.testing.assert_allclose(variance, np.full((2, 3, 3), 1e-9, np.float32))


@pytest.mark.parametrize(
    "equation", ["ab,bc", "ab,bc->abd->a", "aa,ab->ab", "a...b,bc->a...c", "ab...,bc->...ac"]
)
def test_equations_of_another_form(equation):
    with pytest.raises(ValueError, match="equation must be of the form"):
        operators.EinsumAxes.of(equation)


def test_the_batch_must_be_first():
    for equation in ("ab,bc->ca", "ab,ac->ac", "ab,bc->cb"):
        with pytest.raises(ValueError, match="must have the examples first"):
            operators.EinsumAxes.of(equation)
