"""A causal Transformer language model."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import keras

from bnn.layers import Dense
from bnn.models.families import Families, check_single
from bnn.models.transformer_parts import embedded_tokens, token_input, transformer_blocks
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def causal_transformer(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    num_tokens: int | None = None,
    width: int = 128,
    num_layers: int = 4,
    num_heads: int = 4,
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """p(next token | tokens up to here) at every position: a decoder in GPT's form.

    Ids with positions, blocks of attention in which a position sees itself and those before it
    (Radford et al. 2019), and logits of the next id. Targets are the ids moved by one place, the
    likelihood is `bnn.likelihoods.Positions(Categorical())`; id 0 is padding, whose positions do
    not count. Input and output vectors are not tied: a weight has one posterior.

    Args:
      input_shape: `(length,)` of one example's ids.
      num_outputs: number of ids that can come next.
      num_tokens: number of input ids, 0 included; `num_outputs` where None.
      width: of the vectors.
      num_layers: blocks.
      num_heads: a divisor of the width.
      kernel_posterior: of every kernel, the embeddings included; the layer's default where None.
      bias_posterior: of every bias, and of the normalisations' scales and offsets.
      kernel_prior: of every kernel, likewise.
      bias_prior: of every bias and offset.

    Returns:
      A Keras model from ids `[B, length]` to logits `[B, length, num_outputs]`.

    Raises:
      ValueError: inputs that are no ids, or heads that do not divide the width.
    """
    families = Families(kernel_posterior, bias_posterior, kernel_prior, bias_prior)
    num_tokens = num_outputs if num_tokens is None else num_tokens
    check_single("causal_transformer", input_shape, num_outputs)
    inputs = token_input(input_shape, num_tokens)
    h = embedded_tokens(inputs, num_tokens, width, families)
    h = transformer_blocks(h, num_layers, num_heads, families, causal=True)
    return keras.Model(inputs, Dense(num_outputs, **families.affine())(h))
