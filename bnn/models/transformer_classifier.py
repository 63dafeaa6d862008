"""A Transformer encoder over tokens."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import keras

from bnn.layers import Dense
from bnn.models.families import Families, check_single
from bnn.models.transformer_parts import (
    MeanOverTokens,
    embedded_tokens,
    token_input,
    transformer_blocks,
)
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def transformer_classifier(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    num_tokens: int = 20_000,
    width: int = 128,
    num_layers: int = 2,
    num_heads: int = 4,
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """Ids with positions, blocks of attention, the mean over tokens, and the outputs.

    The encoder of Vaswani et al. 2017 with its normalisations before each part (Xiong et al. 2020).
    Id 0 is padding, which neither attention nor the mean sees.

    Args:
      input_shape: `(length,)` of one example's ids.
      num_outputs: number of outputs, linear.
      num_tokens: number of ids, 0 included.
      width: of the vectors.
      num_layers: blocks.
      num_heads: a divisor of the width.
      kernel_posterior: of every kernel, the embeddings included; the layer's default where None.
      bias_posterior: of every bias, and of the normalisations' scales and offsets.
      kernel_prior: of every kernel, likewise.
      bias_prior: of every bias and offset.

    Returns:
      A Keras model from ids `[B, length]` to `[B, num_outputs]`.

    Raises:
      ValueError: inputs that are no ids, or heads that do not divide the width.
    """
    families = Families(kernel_posterior, bias_posterior, kernel_prior, bias_prior)
    check_single("transformer_classifier", input_shape, num_outputs)
    inputs = token_input(input_shape, num_tokens)
    h = embedded_tokens(inputs, num_tokens, width, families)
    h = transformer_blocks(h, num_layers, num_heads, families)
    h = MeanOverTokens()(h)
    return keras.Model(inputs, Dense(num_outputs, **families.affine())(h))
