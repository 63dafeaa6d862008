"""Parametrisations of a positive scale by an unconstrained variable."""

from __future__ import annotations

import abc
import math

import gin
import keras
import tensorflow as tf


class ScaleTransform(abc.ABC):
    """A smooth increasing map from the real line to positive scales."""

    @abc.abstractmethod
    def __call__(self, unconstrained: tf.Tensor) -> tf.Tensor:
        """The scale, float32, of the shape of its argument."""

    def log(self, unconstrained: tf.Tensor) -> tf.Tensor:
        """Ln σ, float32, of the shape of its argument."""
        return tf.math.log(self(unconstrained))

    @abc.abstractmethod
    def inverse(self, scale: float) -> float:
        """The unconstrained number that gives `scale`."""

    def get_config(self) -> dict:
        """Keras configuration: no options."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> ScaleTransform:
        """The transform described by `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.posteriors")
class Softplus(ScaleTransform):
    """σ = ln(1 + exp ρ): linear for large ρ, exponential for small (Blundell et al. 2015)."""

    def __call__(self, unconstrained: tf.Tensor) -> tf.Tensor:
        """softplus(ρ)."""
        return tf.math.softplus(unconstrained)

    def inverse(self, scale: float) -> float:
        """ρ = ln(exp σ − 1), exact for small and large scales."""
        return scale + math.log(-math.expm1(-scale))


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.posteriors")
class Exponential(ScaleTransform):
    """σ = exp ρ: ρ is the log standard deviation, so that steps in ρ are relative steps in σ."""

    def __call__(self, unconstrained: tf.Tensor) -> tf.Tensor:
        """Exp ρ."""
        return tf.exp(unconstrained)

    def log(self, unconstrained: tf.Tensor) -> tf.Tensor:
        """ρ itself."""
        return unconstrained

    def inverse(self, scale: float) -> float:
        """ρ = ln σ."""
        return math.log(scale)
