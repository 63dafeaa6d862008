"""Residual networks in the form for CIFAR."""

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
def resnet(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    depth: int = 20,
    activation: Any = "relu",
    normalization: keras.layers.Layer | None = None,
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """The residual network for CIFAR (He et al. 2016a, section 4.2): ResNet-8, -20, -32.

    A convolution 3 × 3 of 16 filters; three stages of (depth − 2) / 6 blocks with 16, 32 and 64
    filters, the second and third halving the image; the mean over positions; the outputs. A block
    is y = a(h + N(C(a(N(C(h))))) ) with convolutions C 3 × 3, normalisations N and activation a;
    where it changes the shape, h goes through N(C(h)) with C 1 × 1. ResNet-20 has 272,474 weights
    on 32 × 32 × 3 images and 10 classes.

    Every weight is random, those of the normalisations included, so that every method has a prior
    for all of them.

    Args:
      input_shape: `(height, width, channels)` of one image, at least 8 × 8.
      num_outputs: number of outputs, linear.
      depth: 6 n + 2: number of layers, without those of shortcuts.
      activation: after each normalisation but a block's last, and after each sum.
      normalization: a layer of which each place makes its own copy, with its posteriors and priors:
        `bnn.layers.GroupNormalization(groups=8)`, for example. Filter response normalisation where
        None, without thresholds (Izmailov et al. 2021 have it with `activation="swish"`).
      kernel_posterior: of every kernel; the layer's default where None.
      bias_posterior: of the outputs' bias, and of the scales and offsets of the normalisation that
        stands for None.
      kernel_prior: of every kernel.
      bias_prior: of the outputs' bias and of the offsets.

    Returns:
      A Keras model from `[B, height, width, channels]` to `[B, num_outputs]`.

    Raises:
      ValueError: no images, or a depth that is not 6 n + 2.
    """
    num_blocks = blocks_a_stage(depth, 2)
    families = Families(kernel_posterior, bias_posterior, kernel_prior, bias_prior)
    parts = ResidualParts(activation, normalization, families)
    check_single("resnet", input_shape, num_outputs)
    inputs = image_input(input_shape, 8, "bnn.models.mlp")
    h = parts.normalized(parts.convolution(inputs, 16, 3))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(num_blocks):
            stride = 2 if stage and not block else 1
            h = _block(parts, h, filters, stride)
    return keras.Model(inputs, parts.outputs(h, num_outputs), name=f"resnet{depth}")


def _block(parts: ResidualParts, h: Any, filters: int, stride: int) -> Any:
    inner = parts.normalized(parts.convolution(h, filters, 3, stride))
    inner = parts.normalized(parts.convolution(inner, filters, 3), activate=False)
    if stride > 1 or h.shape[-1] != filters:
        h = parts.normalized(parts.convolution(h, filters, 1, stride), activate=False)
    return parts.activated(keras.layers.Add()([h, inner]))
