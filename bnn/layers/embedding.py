"""The Bayesian embedding of ids."""

from __future__ import annotations

from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.layers.checks import positive


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Embedding(BayesianLayer):
    """y = W[x], ids x `[B, …]`, with random W `[input_dim, output_dim]`; y `[B, …, output_dim]`.

    An id has one vector in all of a draw's examples under Reparameterization, and one vector for
    all its places in an example under Flipout. Local reparameterization draws every place anew,
    also those of one id, and is exact marginally only.

    Args:
      input_dim: number of ids, positive; 0 is one of them also where it is masked.
      output_dim: length of the vectors, positive.
      mask_zero: whether id 0 is padding, masked in what follows.
      weights: initial mean `[input_dim, output_dim]`, or a list of it; not saved with the layer.
      **kwargs: of `BayesianLayer`, with its options for the site `embeddings`; `input_length` of
        older Keras versions is taken and has no effect.
    """

    site_initializers: ClassVar = {"embeddings": "uniform"}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        *,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("input_length", None)
        super().__init__(**kwargs)
        self.input_dim = positive("input_dim", input_dim)
        self.output_dim = positive("output_dim", output_dim)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        self.autocast = False  # mixed precision would round ids
        if weights is not None:
            self._start_at(weights)

    def _start_at(self, weights: Any) -> None:
        given = weights[0] if isinstance(weights, list | tuple) and len(weights) == 1 else weights
        given = keras.ops.convert_to_numpy(given)
        if given.shape != (self.input_dim, self.output_dim):
            raise ValueError(
                f"weights must have shape {(self.input_dim, self.output_dim)}, got {given.shape}."
            )
        self._create(lambda *_, **__: given)
        self.built = True

    def build(self, input_shape: tuple | None = None) -> None:
        """Creates the variables, unless `weights` did."""
        del input_shape
        if not self.sites:
            self._create()

    def _create(self, initializer: Any = None) -> None:
        operator = operators.Lookup(self.compute_dtype)
        shape = (self.input_dim, self.output_dim)
        self.embeddings = self.add_site("embeddings", operator, shape, initializer)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The vectors of the ids."""
        del training
        return self.embeddings(operators.as_ids(inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where ids are not padding; None without `mask_zero`."""
        del mask
        return keras.ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`[B, …, output_dim]`."""
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict:
        """Keras configuration."""
        names = ("input_dim", "output_dim", "mask_zero")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
