"""Defective posteriors, layers and operators."""

from unittest import mock

import keras
import tensorflow as tf
from planted import Defect
from tensorflow_probability import distributions as tfd

from bnn import estimators as e
from bnn import layers, operators, posteriors
from bnn.draw import Draw, current_draw


class VarianceForScale(posteriors.MeanFieldNormal):
    def perturbation(self, noise):
        return tf.square(self.scale) * noise.normal(self.shape)


class DetachedScale(posteriors.MeanFieldNormal):
    def distribution(self):
        return tfd.Normal(self.mean, tf.stop_gradient(self.scale))


class CorrelatedElements(posteriors.MeanFieldNormal):
    def perturbation(self, noise):
        return self.scale * noise.normal([1] * len(self.shape))


class SkewedDistribution(posteriors.MeanFieldNormal):
    def distribution(self):
        return tfd.Gumbel(self.mean - 0.5772 * self.scale, self.scale)


class WrongMean(posteriors.MeanFieldNormal):
    def distribution(self):
        return tfd.Normal(self.mean + 0.1, self.scale)


@keras.saving.register_keras_serializable(package="tests")
class OverflowingSoftplus(posteriors.ScaleTransform):
    def __call__(self, unconstrained):
        return tf.math.log(1 + tf.exp(unconstrained))  # overflows at 1e3

    def inverse(self, scale):
        return posteriors.Softplus().inverse(scale)


POSTERIORS = [
    Defect(name, caught_by, check, estimator, arguments={"posterior": posterior})
    for name, caught_by, check, estimator, posterior in [
        (
            "posterior samples with the variance as scale",
            "output variance",
            "moments",
            e.Reparameterization,
            VarianceForScale(0.5),
        ),
        (
            "distribution detached from the scale",
            "chain rule kernel_unconstrained_scale",
            "gradients",
            lambda: e.ScoreFunction(e.LeaveOneOut()),
            DetachedScale(0.5),
        ),
        (
            "dependent elements declared independent",
            "output variance",
            "moments",
            e.Reparameterization,
            CorrelatedElements(0.5),
        ),
        (
            "skewed distribution declared symmetric",
            "posterior symmetry, kernel",
            "structure",
            e.Reparameterization,
            SkewedDistribution(0.5),
        ),
        (
            "mean is not the distribution's",
            "posterior mean, kernel",
            "structure",
            e.Reparameterization,
            WrongMean(0.5),
        ),
        (
            "softplus overflows",
            "finite at scale 1000",
            "limits",
            e.Reparameterization,
            posteriors.MeanFieldNormal(0.5, OverflowingSoftplus()),
        ),
    ]
]


class RedrawingDense(layers.Dense):
    """A recurrent layer that redraws its weights at every time step."""

    def call(self, inputs, training=None):
        outer = current_draw()
        if outer is None:
            return super().call(inputs, training)
        steps = []
        for t in range(inputs.shape[1]):
            noise = outer.noise.at(step=outer.noise.step * inputs.shape[1] + t)
            with Draw(noise, outer.estimator):
                steps.append(super().call(inputs[:, t : t + 1], training))
        return tf.concat(steps, axis=1)


class BiasAtEveryPosition(layers.Dense):
    """Treats every position as an example of its own at the bias."""

    def call(self, inputs, training=None):
        with mock.patch.object(
            operators.Bias, "apply", lambda self, x, w: tf.ones_like(x[..., :1]) * w
        ):
            return super().call(inputs, training)


class BiasTwice(layers.Dense):
    def call(self, inputs, training=None):
        return super().call(inputs, training) + self.sites[1].posterior.mean


class SquaredWeights(operators.Dense):
    def apply(self, inputs, weights):
        return super().apply(inputs, weights**2)


LAYERS = [
    Defect(
        "recurrent layer redraws at every time step",
        "covariance across positions",
        "moments",
        e.Reparameterization,
        RedrawingDense(2, use_bias=False),
        {"input_shape": (2, 3, 3)},
    ),
    Defect(
        "bias noise at every position",
        "covariance across positions",
        "moments",
        e.LocalReparameterization,
        BiasAtEveryPosition(2),
        {"input_shape": (2, 3, 3)},
    ),
    Defect(
        "bias counted twice",
        "layer is the sum of its sites",
        "structure",
        e.Reparameterization,
        BiasTwice(2),
    ),
    Defect(
        "operator not linear in the weights",
        "operator linear in the weights, kernel",
        "structure",
        e.Reparameterization,
        SquaredWeights(),
        {"weight_shape": (4, 2)},
    ),
]
