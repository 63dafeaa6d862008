"""What residual networks are made of: convolutions, normalisations and shortcuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bnn.layers import Conv2D, Dense, FilterResponseNormalization
from bnn.models.families import Families


class ResidualParts:
    """Makes the layers of one network; every call makes new ones.

    Args:
      activation: of the network.
      normalization: a layer that each place copies, or None.
      families: of the weights.
    """

    def __init__(
        self, activation: Any, normalization: keras.layers.Layer | None, families: Families
    ) -> None:
        self._activation, self._families = activation, families
        if normalization is None:
            normalization = FilterResponseNormalization(threshold=False, **families.scale_offset())
        if not isinstance(normalization, keras.layers.Layer) or normalization.built:
            raise ValueError(
                "normalization must be a layer that is not built yet, of which each place makes "
                f"its own copy, got {normalization!r}; pass for example "
                "bnn.layers.GroupNormalization(groups=8)."
            )
        self._normalization = normalization

    def convolution(self, h: Any, filters: int, size: int, stride: int = 1) -> Any:
        """A convolution that keeps the image's size divided by the stride, without bias."""
        layer = Conv2D(
            filters,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            **self._families.kernel(),
        )
        return layer(h)

    def normalized(self, h: Any, activate: bool = True) -> Any:
        """The normalisation, and the activation after it."""
        config = {**self._normalization.get_config(), "name": None}
        h = type(self._normalization).from_config(config)(h)
        return keras.layers.Activation(self._activation)(h) if activate else h

    def activated(self, h: Any) -> Any:
        """The activation alone."""
        return keras.layers.Activation(self._activation)(h)

    def outputs(self, h: Any, num_outputs: int) -> Any:
        """The mean over positions, and the linear outputs."""
        h = keras.layers.GlobalAveragePooling2D()(h)
        options = {"kernel_initializer": "glorot_normal", **self._families.affine()}
        return Dense(num_outputs, **options)(h)


def blocks_a_stage(depth: int, others: int) -> int:
    """The blocks a stage, n, of a network of three stages with two layers a block.

    Args:
      depth: 6 n + others.
      others: layers that are in no block.

    Raises:
      ValueError: no such depth, or none with a block a stage.
    """
    if not isinstance(depth, int) or depth < 6 + others or (depth - others) % 6:
        usual = ", ".join(str(6 * n + others) for n in (1, 2, 3, 4, 6))
        raise ValueError(f"depth must be 6 n + {others} ({usual}, …), got {depth!r}.")
    return (depth - others) // 6


def image_input(input_shape: Sequence[int], least: int, other: str) -> Any:
    """The symbolic images of a model.

    Args:
      input_shape: of one image.
      least: pixels a side.
      other: what serves smaller inputs.

    Raises:
      ValueError: another shape than `(height, width, channels)`, or a smaller one.
    """
    if len(input_shape) != 3 or min(input_shape[:2]) < least:
        raise ValueError(
            f"input_shape must be (height, width, channels) with at least {least} x {least} "
            f"pixels, got {tuple(input_shape)}; load images with flatten=False, or use {other}."
        )
    return keras.Input(tuple(input_shape))
