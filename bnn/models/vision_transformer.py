"""A small vision Transformer."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import keras

from bnn.layers import Conv2D, Dense, PositionEmbedding
from bnn.models.families import Families, check_single
from bnn.models.residual_parts import image_input
from bnn.models.transformer_parts import transformer_blocks
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def vision_transformer(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    patch_size: int = 4,
    width: int = 192,
    num_layers: int = 6,
    num_heads: int = 3,
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """A Transformer on the patches of an image (Dosovitskiy et al. 2021), with random weights.

    Patches go through one dense layer and get their positions' vectors; then blocks of attention,
    the mean over patches (Beyer, Zhai & Kolesnikov 2022, in place of a class token) and the
    outputs. Width and heads where nothing is said are those of ViT-Ti, for images of 32 × 32.

    Args:
      input_shape: `(height, width, channels)` of one image.
      num_outputs: number of outputs, linear.
      patch_size: pixels a side of a patch, a divisor of both sides of the image.
      width: of the vectors.
      num_layers: blocks.
      num_heads: a divisor of the width.
      kernel_posterior: of every kernel and of the positions; the layer's default where None.
      bias_posterior: of every bias, and of the normalisations' scales and offsets.
      kernel_prior: of every kernel and of the positions.
      bias_prior: of every bias and offset.

    Returns:
      A Keras model from `[B, height, width, channels]` to `[B, num_outputs]`.

    Raises:
      ValueError: no images, or sizes that do not divide.
    """
    families = Families(kernel_posterior, bias_posterior, kernel_prior, bias_prior)
    check_single("vision_transformer", input_shape, num_outputs)
    inputs = image_input(input_shape, max(patch_size, 1), "bnn.models.mlp")
    if patch_size < 1 or any(side % patch_size for side in input_shape[:2]):
        raise ValueError(
            f"patch_size must divide both sides of the image, got {patch_size} and "
            f"{tuple(input_shape[:2])}."
        )
    h = Conv2D(width, patch_size, strides=patch_size, **families.affine())(inputs)
    h = keras.layers.Reshape((-1, width))(h)
    h = PositionEmbedding(**families.embeddings())(h)
    h = transformer_blocks(h, num_layers, num_heads, families)
    h = keras.layers.GlobalAveragePooling1D()(h)
    return keras.Model(inputs, Dense(num_outputs, **families.affine())(h))
