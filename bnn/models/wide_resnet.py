"""Wide residual networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras

from bnn.models.families import Families, check_single
from bnn.models.residual_parts import ResidualParts, blocks_a_stage, image_input
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def wide_resnet(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    depth: int = 28,
    width: int = 10,
    activation: Any = "relu",
    normalization: keras.layers.Layer | None = None,
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """WRN-depth-width (Zagoruyko & Komodakis 2016), WRN-28-10 where nothing is said.

    A convolution 3 × 3 of 16 filters; three stages of (depth − 4) / 6 blocks with 16 k, 32 k and
    64 k filters, k the width, the second and third halving the image; N and activation, the mean
    over positions, the outputs. A block is y = h + C(a(N(C(a(N(h)))))) with convolutions C 3 × 3,
    normalisations N and activation a before each (He et al. 2016b); where it changes the shape,
    h becomes the convolution 1 × 1 of a(N(h)). WRN-28-10 has 36,479,194 weights on 32 × 32 × 3
    images and 10 classes.

    Every weight is random, those of the normalisations included.

    Args:
      input_shape: `(height, width, channels)` of one image, at least 8 × 8.
      num_outputs: number of outputs, linear.
      depth: 6 n + 4: number of convolutions, those of shortcuts in place of the outputs' layer.
      width: k, positive.
      activation: after each normalisation.
      normalization: as of `bnn.models.resnet`.
      kernel_posterior: of every kernel; the layer's default where None.
      bias_posterior: of the outputs' bias, and of the scales and offsets of the normalisation that
        stands for None.
      kernel_prior: of every kernel.
      bias_prior: of the outputs' bias and of the offsets.

    Returns:
      A Keras model from `[B, height, width, channels]` to `[B, num_outputs]`.

    Raises:
      ValueError: no images, a depth that is not 6 n + 4, or a width that is not positive.
    """
    num_blocks = blocks_a_stage(depth, 4)
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"width must be at least 1, an int, got {width!r}; 10 is the paper's.")
    families = Families(kernel_posterior, bias_posterior, kernel_prior, bias_prior)
    parts = ResidualParts(activation, normalization, families)
    check_single("wide_resnet", input_shape, num_outputs)
    inputs = image_input(input_shape, 8, "bnn.models.mlp")
    h = parts.convolution(inputs, 16, 3)
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(num_blocks):
            stride = 2 if stage and not block else 1
            h = _block(parts, h, filters * width, stride)
    h = parts.normalized(h)
    return keras.Model(inputs, parts.outputs(h, num_outputs), name=f"wide_resnet{depth}_{width}")


def _block(parts: ResidualParts, h: Any, filters: int, stride: int) -> Any:
    first = parts.normalized(h)
    inner = parts.normalized(parts.convolution(first, filters, 3, stride))
    inner = parts.convolution(inner, filters, 3)
    if stride > 1 or h.shape[-1] != filters:
        h = parts.convolution(first, filters, 1, stride)
    return keras.layers.Add()([h, inner])
