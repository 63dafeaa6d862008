"""A random vector for every position of a sequence."""

from __future__ import annotations

from typing import ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class PositionEmbedding(BayesianLayer):
    """y = x + P, P `[T, C]` random, one vector a position, for inputs x `[B, T, C]`.

    Learned positions (Gehring et al. 2017; Vaswani et al. 2017, section 3.5) of sequences of one
    length. A draw has one P for all examples under Reparameterization, one for each under local
    reparameterization and Flipout, both exactly: P meets every element of an example once.

    Args:
      **kwargs: of `BayesianLayer`, with its options for the site `embeddings`.
    """

    site_initializers: ClassVar = {
        "embeddings": {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
    }

    def build(self, input_shape: tuple) -> None:
        """Creates the variables.

        Raises:
          ValueError: inputs of another rank than three, or of unknown length.
        """
        shape = tuple(input_shape)
        if len(shape) != 3 or None in shape[1:]:
            raise ValueError(
                f"the inputs of layer {self.name!r} must be [B, T, C] of known length T, got shape "
                f"{shape}; pad the sequences to one length."
            )
        self.supports_masking = True
        self.embeddings = self.add_site("embeddings", operators.Offset(shape[1:]), shape[1:])

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The inputs with their positions."""
        inputs = self.floating(inputs)
        return inputs + self.embeddings(inputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the inputs."""
        return tuple(input_shape)
