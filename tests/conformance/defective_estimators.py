"""Defective Flipout and local reparameterization."""

import tensorflow as tf
from planted import Defect, estimator_defect

from bnn import estimators as e
from bnn import layers, operators
from bnn.estimators import Realisation
from bnn.posteriors.terms import safe_sqrt


def sign_shape(operator, tensor):
    """One sign per example and channel: [B, 1, …, C]."""
    shape = [1] * tensor.shape.rank
    for axis in (0, operator.channel_axis):
        shape[axis] = tensor.shape[axis]
    return shape


def flipout(signs_in=None, signs_out=None, flip_mean=False):
    """Flipout with given sign generators (operator, tensor, noise) -> signs."""

    def rademacher(stream):
        return lambda operator, tensor, noise: noise.signs(
            sign_shape(operator, tensor), stream, per_example=True
        )

    def realise(operator, posterior, noise, like):
        mean, delta = posterior.mean, posterior.perturbation(noise)

        def apply(inputs):
            outputs = operator(inputs, mean)
            r = (signs_in or rademacher(1))(operator, inputs, noise)
            s = (signs_out or rademacher(2))(operator, outputs, noise)
            if flip_mean:
                return operator(inputs * r, mean + delta) * s
            return outputs + operator(inputs * r, delta) * s

        return Realisation(apply)

    return realise


def float_signs(operator, tensor, noise):
    return 4 * noise.uniform(sign_shape(operator, tensor), 2, per_example=True) - 1


def shared_signs(operator, tensor, noise):
    shape = [1, *sign_shape(operator, tensor)[1:]]
    return noise.signs(shape, 2)


def signs_by_position(operator, tensor, noise):
    return noise.signs(tensor.shape, 2, per_example=True)


def signs_of_the_batch(operator, tensor, noise):
    return noise.signs(sign_shape(operator, tensor), 2)  # example_offset is ignored


FLIPOUT = [
    estimator_defect(
        "flipout signs uniform on [-1, 3)",
        "output variance",
        "moments",
        e.Flipout,
        flipout(signs_out=float_signs),
    ),
    estimator_defect(
        "flipout flips the mean", "output mean", "moments", e.Flipout, flipout(flip_mean=True)
    ),
    estimator_defect(
        "flipout shares signs among examples",
        "covariance across examples",
        "moments",
        e.Flipout,
        flipout(shared_signs, shared_signs),
    ),
    estimator_defect(
        "flipout draws signs for every position",
        "covariance across positions",
        "moments",
        e.Flipout,
        flipout(signs_out=signs_by_position),
        layers.Conv1D(2, 2, use_bias=False),
        input_shape=(2, 4, 2),
    ),
    estimator_defect(
        "flipout ignores the batch's place in the global batch",
        "parts of a batch get the noise of the whole",
        "draws",
        e.Flipout,
        flipout(signs_out=signs_of_the_batch),
    ),
]


def local(variance=None, root=safe_sqrt, noise_shape=None):
    def realise(operator, posterior, noise, like):
        def apply(inputs):
            mean = operator(inputs, posterior.mean)
            if variance:
                v = variance(operator, inputs, posterior.scale)
            else:
                v = operator.variance(inputs, posterior.scale**2)
            epsilon = noise.normal(noise_shape(mean) if noise_shape else mean.shape)
            return mean + root(v) * epsilon

        return Realisation(apply, reusable=False)

    return realise


LOCAL = [
    estimator_defect(
        "square root without a guard at zero",
        "finite for a row of zeros",
        "limits",
        e.LocalReparameterization,
        local(root=tf.sqrt),
    ),
    estimator_defect(
        "scale used as variance",
        "output variance",
        "moments",
        e.LocalReparameterization,
        local(variance=lambda operator, x, scale: operator(x**2, scale)),
    ),
    estimator_defect(
        "variance used as scale",
        "output variance",
        "moments",
        e.LocalReparameterization,
        local(root=lambda v: v),
    ),
    estimator_defect(
        "one output noise for all examples",
        "covariance across examples",
        "moments",
        e.LocalReparameterization,
        local(noise_shape=lambda mean: [1, *mean.shape[1:]]),
    ),
    estimator_defect(
        "one output noise for all channels",
        "covariance across channels",
        "moments",
        e.LocalReparameterization,
        local(noise_shape=lambda mean: [*mean.shape[:-1], 1]),
    ),
    estimator_defect(
        "local noise ignores the batch's place in the global batch",
        "parts of a batch get the noise of the whole",
        "draws",
        e.LocalReparameterization,
        local(),
    ),
    estimator_defect(
        "local noise at every position, declared coherent",
        "covariance across positions",
        "moments",
        e.Reparameterization,
        local(),
        layers.Conv1D(2, 2, use_bias=False),
        input_shape=(2, 4, 2),
    ),
    Defect(
        "operator's variance without the square of the inputs",
        "operator variance, kernel",
        "structure",
        e.LocalReparameterization,
        patch=(operators.Operator, "variance", lambda self, x, v: self(x, v)),
    ),
]
