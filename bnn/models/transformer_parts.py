"""What Transformers are made of: ids with positions, and blocks of attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bnn.layers import (
    Dense,
    Embedding,
    LayerNormalization,
    MultiHeadAttention,
    PositionEmbedding,
)
from bnn.models.families import Families


def transformer_blocks(
    h: Any, num_layers: int, num_heads: int, families: Families, *, causal: bool = False
) -> Any:
    """Blocks h ← h + A(N(h)), h ← h + F(N(h)), and a last N (Xiong et al. 2020, "pre-LN").

    A is multi-head attention, F a dense layer of four times the width with GELU and one of the
    width, N layer normalisation.

    Args:
      h: `[B, T, width]`.
      num_layers: number of blocks.
      num_heads: a divisor of the width.
      families: of the weights.
      causal: whether a position sees itself and those before it alone.

    Raises:
      ValueError: heads that do not divide the width, or no block.
    """
    width = h.shape[-1]
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, got {num_layers}; 2 make a small model.")
    if num_heads < 1 or width % num_heads:
        raise ValueError(
            f"num_heads must divide the width, got {num_heads} heads and a width of {width}; each "
            "head has width / num_heads features."
        )
    affine = families.affine()

    def normalized(h: Any) -> Any:
        return LayerNormalization(**families.scale_offset())(h)

    for _ in range(num_layers):
        inner = normalized(h)
        attention = MultiHeadAttention(num_heads, width // num_heads, **affine)
        inner = attention(inner, inner, use_causal_mask=causal)
        h = keras.layers.Add()([h, inner])
        inner = Dense(4 * width, activation="gelu", **affine)(normalized(h))
        h = keras.layers.Add()([h, Dense(width, **affine)(inner)])
    return normalized(h)


@keras.saving.register_keras_serializable(package="bnn.models")
class MeanOverTokens(keras.layers.GlobalAveragePooling1D):
    """The mean over the positions that are not masked, `[B, width]`; 0 where all of them are.

    Keras's own is 0/0 for an example of padding alone, such as an empty text.
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """As above."""
        if mask is None:
            return super().call(inputs)
        some = keras.ops.any(mask, axis=1, keepdims=True)
        mean = super().call(inputs, mask=keras.ops.logical_or(mask, ~some))
        return keras.ops.where(some, mean, keras.ops.zeros_like(mean))


def embedded_tokens(inputs: Any, num_tokens: int, width: int, families: Families) -> Any:
    """Vectors of ids `[B, T]` with those of their places, `[B, T, width]`; id 0 is masked."""
    options = {"mask_zero": True, "embeddings_initializer": _SMALL, **families.embeddings()}
    h = Embedding(num_tokens, width, **options)(inputs)
    return PositionEmbedding(**families.embeddings())(h)


def token_input(input_shape: Sequence[int], num_tokens: int) -> Any:
    """The symbolic ids of a model.

    Args:
      input_shape: of one example.
      num_tokens: number of ids, 0 included.

    Raises:
      ValueError: another shape than `(length,)`, or fewer than two ids.
    """
    if len(input_shape) != 1:
        raise ValueError(
            f"input_shape must be (length,) of token ids, got {tuple(input_shape)}; load texts "
            "with bnn.data.text_classification, or ids as integers [N, length]."
        )
    if num_tokens < 2:
        raise ValueError(
            f"num_tokens must be at least 2, 0 being padding, got {num_tokens}; it is the data's "
            "number of ids, such as text_classification.max_tokens."
        )
    return keras.Input(tuple(input_shape), dtype="int32")


_SMALL = {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
