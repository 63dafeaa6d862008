"""Batch normalisation with random scale and offset."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.layers.scale_offset import ScaleOffset


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class BatchNormalization(ScaleOffset):
    """y = γ ∘ (x − mean) / √(var + ε) + β, moments over the batch (Ioffe & Szegedy 2015).

    The moments and their moving averages are those of a Keras layer inside: of the batch in
    training, moving averages otherwise and where the layer is not trainable. Each call in training
    moves the averages once; an objective of several weight samples keeps the first one's move.
    The examples of a batch depend on each other through the moments, with every estimator.

    Args:
      axis: of the channels.
      momentum: of the moving averages.
      epsilon: ε.
      moving_mean_initializer: Keras initializer.
      moving_variance_initializer: Keras initializer.
      synchronized: whether replicas share the batch's moments.
      **kwargs: of `ScaleOffset`: those of `keras.layers.BatchNormalization`, with posteriors and
        priors. `renorm`, which Keras versions before 3.13 lack, goes with its options to the
        Keras layer.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        *,
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        renorm = {name: kwargs.pop(name) for name in _RENORM if name in kwargs}
        super().__init__(**kwargs)
        options = {
            "axis": int(axis),
            "momentum": float(momentum),
            "epsilon": float(epsilon),
            "moving_mean_initializer": moving_mean_initializer,
            "moving_variance_initializer": moving_variance_initializer,
            "synchronized": synchronized,
            **renorm,
        }
        self.normalize = keras.layers.BatchNormalization(
            center=False,
            scale=False,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            **options,
        )
        self.axis, self.epsilon = int(axis), float(epsilon)

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the number of channels."""
        self.normalize.build(input_shape)
        self.add_scale_offset(input_shape, self.axis)
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={self.axis: input_shape[self.axis]}
        )

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Normalised, scaled and moved; masked elements do not count in the moments."""
        normalised = self.normalize(self.floating(inputs), training=training, mask=mask)
        return self.scaled(normalised)

    @property
    def moving_mean(self) -> keras.Variable:
        """The moving average of the batches' means."""
        return self.normalize.moving_mean

    @property
    def moving_variance(self) -> keras.Variable:
        """The moving average of the batches' variances."""
        return self.normalize.moving_variance

    def get_config(self) -> dict:
        """Keras configuration."""
        of_keras = self.normalize.get_config()
        names = [name for name in (*_MOMENTS, *_RENORM) if name in of_keras]
        return {**super().get_config(), **{name: of_keras[name] for name in names}}


_MOMENTS = (
    "axis",
    "momentum",
    "epsilon",
    "moving_mean_initializer",
    "moving_variance_initializer",
    "synchronized",
)
_RENORM = ("renorm", "renorm_clipping", "renorm_momentum")
