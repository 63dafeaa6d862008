"""Masks of dropout layers from the run's own noise, in place of Keras's generator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bnn.compat import all_layers
from bnn.formatting import is_number
from bnn.layers import Dense
from bnn.noise import Noise

_CURRENT = threading.local()
_SPATIAL = (
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
_OTHER_KINDS = (
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)


class Masks:
    """A context in which the layers that `attach` has changed use masks of this noise.

    Outside of any, and in Keras's own training and prediction, they are as they were.

    Args:
      noise: of a step, or of a prediction's sample.
      by_example: every example has a mask of its own, which depends on its place in the global
        batch alone; else all examples share one: the model is one function of its inputs.
    """

    def __init__(self, noise: Noise, by_example: bool) -> None:
        self.noise, self.by_example = noise, by_example

    def __enter__(self) -> Masks:
        """Makes these the current masks of the thread."""
        self._before = getattr(_CURRENT, "masks", None)
        _CURRENT.masks = self
        return self

    def __exit__(self, *exception: object) -> None:
        """Restores those that were current before."""
        _CURRENT.masks = self._before

    def dropped(self, inputs: tf.Tensor, rate: float, number: int, pattern: list) -> tf.Tensor:
        """X ∘ z, z = b / (1 − p), b ~ Bernoulli(1 − p).

        Args:
          inputs: x `[B, …]`.
          rate: p.
          number: of the layer, which tells its noise apart.
          pattern: shape of the mask, None where it is x's own.
        """
        inputs = tf.convert_to_tensor(inputs)
        known, dynamic = inputs.shape, None
        shape: list[Any] = []
        for axis, size in enumerate(pattern):
            if axis == 0 and not self.by_example:
                size = 1
            if size is None:
                size = known[axis]
            if size is None:
                dynamic = tf.shape(inputs) if dynamic is None else dynamic
                size = dynamic[axis]
            shape.append(size)
        noise = self.noise.at(site=number)
        kept = noise.uniform(shape, per_example=self.by_example) >= rate
        return inputs * tf.cast(kept, inputs.dtype) / tf.cast(1.0 - rate, inputs.dtype)


def attach(model: keras.Model, rate: float) -> list[str]:
    """Has the model's dropout layers use the current `Masks`; their names.

    Those are `Dropout` and `SpatialDropout1D` to `3D` of a rate above 0, that of a layer of
    attention included. A model without any has dropout of `rate` put before every dense layer but
    the first. A layer that is called twice has one mask where the shapes are the same.

    Raises:
      ValueError: layers of other random noise; a model without any place for dropout.
    """
    layers = list({id(layer): layer for layer in all_layers(model)}.values())
    for layer in layers:
        _refuse(layer)
    found = [layer for layer in layers if isinstance(layer, keras.layers.Dropout) and layer.rate]
    for number, layer in enumerate(found):
        layer.call = _Dropping(layer, number)
    if found:
        return [layer.name for layer in found]
    dense = [x for x in layers if isinstance(x, (keras.layers.Dense, Dense))][1:]
    if not dense:
        raise ValueError(
            f"method MCDropout needs dropout in model {model.name!r}, which has no keras.layers."
            "Dropout of a rate above 0 and no second dense layer to put dropout before; add "
            "keras.layers.Dropout(0.1) where activations should be dropped."
        )
    for number, layer in enumerate(dense):
        layer.call = _DroppingBefore(layer, rate, number)  # type: ignore[method-assign]
    return [layer.name for layer in dense]


def _refuse(layer: keras.layers.Layer) -> None:
    recurrent = [n for n in ("dropout", "recurrent_dropout") if _is_rate(getattr(layer, n, None))]
    attention = isinstance(layer, keras.layers.MultiHeadAttention)  # has a Dropout inside
    grouped = isinstance(layer, keras.layers.GroupQueryAttention)
    if isinstance(layer, _OTHER_KINDS) or (recurrent and not attention and not grouped):
        what = f" with {recurrent[0]}" if recurrent else ""
        raise ValueError(
            f"method MCDropout cannot serve layer {layer.name!r} ({type(layer).__name__}{what}): "
            "its noise comes from Keras's own generator, and a sample would be no function of the "
            "inputs that can be had again. Use keras.layers.Dropout or SpatialDropout1D to 3D in "
            "its place, before or after the layer."
        )
    if isinstance(layer, keras.layers.Dropout) and layer.rate >= 1:
        raise ValueError(f"layer {layer.name!r} must have a rate below 1, got {layer.rate}.")


def _is_rate(value: Any) -> bool:
    return is_number(value) and value > 0


class _Dropping:
    """`call` of a dropout layer."""

    def __init__(self, layer: keras.layers.Dropout, number: int) -> None:
        self._layer, self._number = layer, number
        self._own: Callable[..., Any] = type(layer).call

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        masks: Masks | None = getattr(_CURRENT, "masks", None)
        if masks is None:
            return self._own(self._layer, inputs, training=training)
        return masks.dropped(inputs, self._layer.rate, self._number, self._pattern(inputs))

    def _pattern(self, inputs: tf.Tensor) -> list:
        rank = len(inputs.shape)
        if isinstance(self._layer, _SPATIAL):
            first = getattr(self._layer, "data_format", "channels_last") == "channels_first"
            inside = [1] * (rank - 2)
            return [None, None, *inside] if first else [None, *inside, None]
        return list(self._layer.noise_shape or [None] * rank)


class _DroppingBefore:
    """`call` of a dense layer whose inputs are dropped."""

    def __init__(self, layer: keras.layers.Layer, rate: float, number: int) -> None:
        self._layer, self._rate, self._number = layer, rate, number
        self._own: Callable[..., Any] = type(layer).call

    def __call__(self, inputs: Any, *arguments: Any, **options: Any) -> Any:
        masks: Masks | None = getattr(_CURRENT, "masks", None)
        if masks is not None:
            inputs = masks.dropped(inputs, self._rate, self._number, [None] * len(inputs.shape))
        return self._own(self._layer, inputs, *arguments, **options)
