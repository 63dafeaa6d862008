"""Posterior predictive samples of a model's outputs."""

from __future__ import annotations

import abc
import math
import weakref
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.draw import Draw
from bnn.estimators import Reparameterization
from bnn.noise import Noise, Purpose

# XLA's gain is in small passes, whose operations take as long to start as to run. Where inputs no
# longer stay in caches the products decide, and a graph, which computes everything else on all
# cores, too, is faster by a third (experiments/speed). 784-400-400-10: the same at 2,000 inputs.
_GRAPH_FROM = 2**21
_FUNCTIONS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class Functions(abc.ABC):
    """Sample number -> context in which a model is one function.

    Attributes:
      num_samples: S.
      arguments: nest of tensors that the compiled function is called with.
    """

    num_samples: int
    arguments: Any

    @abc.abstractmethod
    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The context of one sample; `arguments` are this object's own, or their like."""


class Draws(Functions):
    """Coherent draws from the posterior: the same weights for every input of a sample.

    Args:
      num_samples: S.
      seed: int or scalar integer tensor.
    """

    def __init__(self, num_samples: int, seed: Any) -> None:
        self.num_samples = int(num_samples)
        if isinstance(seed, int):  # as a tensor, or each seed would be traced anew
            seed = tf.constant(seed % 2**64, tf.uint64)
        self.arguments = seed

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """A draw by reparameterization."""
        noise = Noise(arguments, purpose=Purpose.PREDICTION, sample=sample)
        return Draw(noise, Reparameterization())


def predict(
    model: keras.Model,
    inputs: Any,
    num_samples: int = 32,
    seed: Any = 0,
    *,
    functions: Functions | None = None,
    batch_size: int | None = None,
    jit_compile: bool | None = None,
) -> tf.Tensor:
    """Outputs of `num_samples` functions drawn from the posterior, `[S, B, …]`.

    Coherent: sample s is one function of x, with the same weights for every input, batch by batch
    and call by call with the same seed.

    Args:
      model: built Keras model.
      inputs: array or tensor `[B, …]`.
      num_samples: S, at least 1.
      seed: int or scalar integer tensor.
      functions: in place of draws from the posterior; `num_samples` and `seed` are then theirs.
      batch_size: inputs per pass, to bound memory; all at once where None.
      jit_compile: compile with XLA; False for convolutions on CPUs and for models with an operation
        that XLA lacks. None: XLA where a pass has fewer than 2²¹ numbers of input, as it is faster
        there. The two agree to rounding.

    Returns:
      float32 tensor `[S, B, …]`.

    Raises:
      ValueError: for num_samples or batch_size below 1, a seed that is no integer of 64 bits, or
        inputs without examples.
    """
    if not isinstance(num_samples, (int, np.integer)) or num_samples < 1:
        raise ValueError(
            f"num_samples must be an integer of at least 1, got {num_samples!r}; a posterior "
            "prediction needs samples, 32 is a good start."
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1 or None, got {batch_size}.")
    inputs = tf.convert_to_tensor(inputs)
    num_inputs = int(inputs.shape[0])
    if num_inputs == 0:
        raise ValueError(f"inputs must hold at least one example, got shape {inputs.shape}.")
    if functions is None:
        Noise(seed).key()  # raises for an unusable seed
        functions = Draws(int(num_samples), seed)
    size = min(batch_size or num_inputs, num_inputs)
    if jit_compile is None:
        jit_compile = size * math.prod(inputs.shape[1:]) < _GRAPH_FROM
    function = _sampling_function(model, type(functions), jit_compile)
    parts = [
        function(inputs[i : i + size], functions.arguments, functions.num_samples, functions.at)
        for i in range(0, num_inputs, size)
    ]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def _sampling_function(model: keras.Model, kind: type, jit_compile: bool) -> Any:
    functions = _FUNCTIONS.setdefault(model, {})
    key = jit_compile if kind is Draws else (kind, jit_compile)
    if key not in functions:
        # The closure holds the model weakly: a cache entry must not keep its own key alive.
        functions[key] = _make_sampling_function(weakref.ref(model), jit_compile)
    return functions[key]


def _make_sampling_function(reference: weakref.ref, jit_compile: bool) -> Any:
    contexts: list[Any] = []

    @tf.function(jit_compile=jit_compile, autograph=False)
    def sample_outputs(inputs, arguments, num_samples):
        at = contexts[-1]

        def one(sample: tf.Tensor) -> tf.Tensor:
            with at(sample, arguments):
                model = reference()
                assert model is not None  # the caller holds it while it predicts
                return tf.cast(model(inputs, training=False), tf.float32)

        return tf.map_fn(one, tf.range(num_samples), fn_output_signature=tf.float32)

    def call(inputs: tf.Tensor, arguments: Any, num_samples: int, at: Any) -> tf.Tensor:
        contexts.append(at)
        try:
            return sample_outputs(inputs, arguments, num_samples)
        finally:
            contexts.clear()

    return call
