"""Moving statistics of BatchNormalization that belong to other weights than the last iterate's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import all_layers
from bnn.data import Batches
from bnn.prediction import Functions, fixed_batch


class MovingStatistics:
    """The moments of every BatchNormalization's inputs under given weights, by one pass.

    A layer's moving averages are those of the iterates they were taken from, and mean nothing
    beside averaged or sampled weights (Izmailov et al. 2018, section 3.2; Maddox et al. 2019,
    algorithm 1). So with these weights all training examples pass once, in batches of the
    training's size, every layer normalised by its batch as in training, everything else as in
    prediction (no dropout, no augmentation). Of B_b examples and the moments m_b, v_b of a batch,
    elementwise,

        mean = Σ_b B_b m_b / N,   variance = Σ_b B_b (v_b + m_b²) / N − mean²:

    the moments of all the layer's inputs in that pass. A last batch that is smaller is taken
    together with the one before it. Layers with `trainable=False` keep what they have.

    Args:
      method: of the class, for messages.
      model: built.

    Raises:
      ValueError: layers whose statistics cannot be renewed by a pass.
    """

    def __init__(self, method: str, model: keras.Model) -> None:
        self._method, self._model = method, model
        self.layers: list[keras.layers.BatchNormalization] = []
        for layer in all_layers(model):
            renorm = getattr(layer, "renorm", False)
            if renorm or isinstance(layer, keras.layers.SpectralNormalization):
                what = "BatchNormalization with renorm" if renorm else type(layer).__name__
                remedy = "renorm=False" if renorm else "LayerNormalization or GroupNormalization"
                raise ValueError(
                    f"method {method} cannot serve layer {layer.name!r} ({what}): its statistics "
                    "are moved from the last iterate's by its own rule, and averaged or sampled "
                    f"weights would need their own. Use {remedy} in its place, or the method "
                    "DeepEnsemble, whose members keep their own statistics."
                )
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                self.layers += [layer] if layer not in self.layers else []

    @property
    def variables(self) -> list[keras.Variable]:
        """The layers' moving means and variances in turn."""
        return [v for layer in self.layers for v in (layer.moving_mean, layer.moving_variance)]

    def of(self, functions: Functions, batches: Batches, jit_compile: bool) -> list[np.ndarray]:
        """The moments under each of the functions, `[S, C]` for each of `variables`.

        The data are read once for all functions.

        Args:
          functions: what the weights are.
          batches: of the training part.
          jit_compile: by XLA.

        Raises:
          ValueError: the examples cannot be read again, or have another number than N.
        """
        compiled = tf.function(self._moments(functions), autograph=False, jit_compile=jit_compile)
        count = functions.num_samples
        seen, sums, squares = 0, *(self._zeros(count) for _ in range(2))
        for inputs in _even(batches, fixed_batch(self._model)):
            size = len(tf.nest.flatten(inputs)[0])
            for sample in range(count):
                moments = compiled(tf.constant(sample), functions.arguments, inputs)
                for place, (mean, variance) in enumerate(moments):
                    mean, variance = (np.asarray(x, np.float64) for x in (mean, variance))
                    sums[place][sample] += size * mean
                    squares[place][sample] += size * (variance + mean**2)
            seen += size
        if seen != batches.num_train:
            raise ValueError(
                f"method {self._method} must read all {batches.num_train} training examples again "
                f"for the statistics of layer {self.layers[0].name!r} (BatchNormalization), got "
                f"{seen}; give data that can be read twice, or use LayerNormalization."
            )
        found: list[np.ndarray] = []
        for total, square in zip(sums, squares, strict=True):
            mean = total / seen
            found += [mean, np.maximum(square / seen - mean**2, 0.0)]
        return [value.astype(np.float32) for value in found]

    def _zeros(self, count: int) -> list[np.ndarray]:
        return [np.zeros((count, *layer.moving_mean.shape)) for layer in self.layers]

    def _moments(self, functions: Functions) -> Any:
        def moments(sample: tf.Tensor, arguments: Any, inputs: Any) -> list:
            with functions.at(sample, arguments), _normalising(self.layers) as found:
                self._model(inputs, training=False)
            return [
                [tf.add_n(parts) / len(parts) for parts in zip(*calls, strict=True)]
                for calls in found
            ]

        return moments


@contextlib.contextmanager
def _normalising(layers: Sequence[keras.layers.BatchNormalization]) -> Iterator[list[list]]:
    """Each layer normalises by its batch whatever the model is asked for, and says its moments."""
    found: list[list] = [[] for _ in layers]
    momenta = [layer.momentum for layer in layers]

    def spied(layer: keras.layers.BatchNormalization, calls: list) -> Any:
        own = layer.call

        def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            del training
            outputs = own(inputs, training=True, mask=mask)
            moments = (layer.moving_mean, layer.moving_variance)
            calls.append([tf.convert_to_tensor(v.value) for v in moments])
            return outputs

        return call

    try:
        for layer, calls in zip(layers, found, strict=True):
            layer.momentum, layer.call = 0.0, spied(layer, calls)
        yield found
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            vars(layer).pop("call", None)


def _even(batches: Batches, fixed: int | None) -> Iterator[Any]:
    """The inputs of all examples; a smaller last batch together with the one before it."""
    held: Any = None
    for batch in batches.full():
        inputs = tf.nest.map_structure(tf.convert_to_tensor, batch.inputs)
        smaller = held is not None and _size(inputs) < _size(held)
        if smaller and fixed is None:
            inputs = tf.nest.map_structure(lambda a, b: tf.concat([a, b], 0), held, inputs)
        elif held is not None:
            yield held
        held = inputs
    if held is not None:
        yield held


def _size(inputs: Any) -> int:
    return len(tf.nest.flatten(inputs)[0])
