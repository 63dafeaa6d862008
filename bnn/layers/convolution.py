"""Bayesian convolutions in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras

from bnn import operators
from bnn.layers.affine_layer import AffineLayer


class Convolution(AffineLayer):
    """y = activation(x ⋆ W + b) with random W `[window…, in / groups, filters]` and b `[filters]`.

    The arguments are those of the Keras layer of the same name; `data_format` may be
    `"channels_first"` where TensorFlow supports it.

    Args:
      filters: number of output channels, positive, divisible by `groups`.
      kernel_size: window, an int or one int per dimension.
      strides: int or one per dimension.
      padding: `"valid"`, `"same"`, or `"causal"` in one dimension.
      data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default.
      dilation_rate: int or one per dimension; strides and dilation above 1 exclude each other.
      groups: number of groups into which the input channels are split.
      **kwargs: of `AffineLayer`, with its options for the sites `kernel` and `bias`.
    """

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation=activation, **kwargs)
        self.filters = _positive("filters", filters)
        self.groups = _positive("groups", groups)
        if filters % groups:
            raise ValueError(
                f"filters must be divisible by groups, got filters={filters}, groups={groups}."
            )
        self.kernel_size = self._per_dimension("kernel_size", kernel_size)
        self.strides = self._per_dimension("strides", strides)
        self.dilation_rate = self._per_dimension("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "strides and dilation_rate cannot both exceed 1, got "
                f"strides={self.strides}, dilation_rate={self.dilation_rate}."
            )
        allowed = ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")
        self.padding = str(padding).lower()
        if self.padding not in allowed:
            raise ValueError(f"padding must be one of {allowed}, got {padding!r}.")
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "data_format must be 'channels_last', 'channels_first' or None, got "
                f"{data_format!r}."
            )
        if self.padding == "causal" and self.data_format == "channels_first":
            raise ValueError(
                "padding='causal' needs data_format='channels_last', got 'channels_first', as in "
                "Keras; put a keras.layers.Permute((2, 1)) before the layer."
            )
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def _per_dimension(self, name: str, value: int | Sequence[int]) -> tuple[int, ...]:
        values = (value,) * self.rank if isinstance(value, int) else tuple(value)
        if len(values) != self.rank:
            raise ValueError(
                f"{name} must be an int or {self.rank} ints in {type(self).__name__}, got "
                f"{value!r}."
            )
        return tuple(_positive(name, v) for v in values)

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the number of input channels."""
        channels = input_shape[self._channel_axis]
        if channels is None or channels % self.groups:
            raise ValueError(
                f"the number of input channels must be known and divisible by groups={self.groups},"
                f" got {channels} from inputs of shape {tuple(input_shape)}."
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=self.rank + 2, axes={self._channel_axis: channels}
        )
        self.compute_output_shape(input_shape)  # raises where the window does not fit
        operator = operators.Convolution(
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            causal=self.padding == "causal",
            groups=self.groups,
        )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.add_affine(operator, shape, self.filters, self.data_format)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`[B, spatial…, filters]`, or `[B, filters, spatial…]`."""
        last = self.data_format == "channels_last"
        spatial = input_shape[1:-1] if last else input_shape[2:]
        sizes: list[int | None] = []
        for i, size in enumerate(spatial):
            if size is None:
                sizes.append(None)
                continue
            window = self.dilation_rate[i] * (self.kernel_size[i] - 1) + 1
            room = size - window + 1 if self.padding == "valid" else size
            if room < 1:
                raise ValueError(
                    f"the window of layer {self.name!r}, {self.kernel_size} with dilation_rate "
                    f"{self.dilation_rate}, does not fit into inputs of shape {tuple(input_shape)};"
                    " use padding='same' or a smaller kernel_size."
                )
            sizes.append(-(-room // self.strides[i]))
        batch = input_shape[0]
        return (batch, *sizes, self.filters) if last else (batch, self.filters, *sizes)

    def get_config(self) -> dict:
        """Keras configuration."""
        names = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate")
        own = {name: getattr(self, name) for name in (*names, "groups")}
        return {**super().get_config(), **own}


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    return value


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Conv1D(Convolution):
    """One-dimensional Bayesian convolution of inputs `[B, time, in]`; see `Convolution`."""

    rank = 1


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Conv2D(Convolution):
    """Two-dimensional Bayesian convolution of inputs `[B, height, width, in]`."""

    rank = 2


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Conv3D(Convolution):
    """Three-dimensional Bayesian convolution of inputs `[B, depth, height, width, in]`."""

    rank = 3
