"""The compiled prediction of a model, and when another one is needed."""

from __future__ import annotations

import bisect
import copy
import weakref
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bnn.prediction.functions import Functions
from bnn.prediction.identity import Identity

_CACHE: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_MOST = 16  # compiled predictions of one model that are kept
# A new number of rows is compiled anew unless one has been that is larger by so much, or is small.
_PADDING = 1.25
_SMALL = 64


class Compiled:
    """Samples first … first + count − 1 of a model's outputs, traced once for every batch size.

    XLA compiles each number of rows by itself: `size_for` says to which number rows are padded.

    Args:
      model: built; held weakly, a cache entry must not keep its own key alive.
      functions: what a sample is.
      rows: a block of inputs, for structure, types and shapes.
      count: number of samples.
      jit_compile: compile with XLA.
      fixed: the only number of rows that the model takes; None where it takes any.
    """

    def __init__(
        self,
        model: keras.Model,
        functions: Functions,
        rows: Any,
        count: int,
        jit_compile: bool,
        fixed: int | None,
    ) -> None:
        self.jit_compile = jit_compile
        self.fixed = fixed
        self.sizes: list[int] = []
        signature = keras.tree.map_structure(
            lambda x: tf.TensorSpec([fixed, *x.shape[1:]], x.dtype), rows
        )
        arguments = keras.tree.map_structure(
            lambda x: tf.TensorSpec(x.shape, x.dtype), functions.arguments
        )
        types = output_types(model, functions, rows)
        functions = copy.copy(functions)
        functions.arguments = None  # they are passed in, and may be large
        traced = tf.function(
            sampler(weakref.ref(model), functions, types, count),
            jit_compile=jit_compile,
            autograph=False,
        )
        self.call = traced.get_concrete_function(signature, arguments, tf.TensorSpec([], tf.int32))

    def size_for(self, num_rows: int) -> int:
        """The number of rows that so many are padded to."""
        if self.fixed is not None:
            return self.fixed
        if not self.jit_compile or num_rows in self.sizes:
            return num_rows
        if self.sizes:  # the first is compiled as it is, others on a grid
            place = bisect.bisect_left(self.sizes, num_rows)
            limit = max(_SMALL, int(_PADDING * num_rows))
            if place < len(self.sizes) and self.sizes[place] <= limit:
                return self.sizes[place]
            num_rows = _on_grid(num_rows)
        bisect.insort(self.sizes, num_rows)
        return num_rows


def compiled_prediction(
    model: keras.Model, functions: Functions, rows: Any, count: int, jit_compile: bool
) -> Compiled:
    """The compiled prediction, from the cache where model, inputs and functions are of its kind."""
    identity, entries = _CACHE.get(model, (None, {}))
    if identity is None or not identity.matches(model):
        entries = {}
        _CACHE[model] = (Identity(model), entries)
    fixed = fixed_batch(model)
    key = (jit_compile, count, functions.key, fixed, _kind(rows, 1), _kind(functions.arguments, 0))
    if key not in entries:
        while len(entries) >= _MOST:
            entries.pop(next(iter(entries)))
        entries[key] = Compiled(model, functions, rows, count, jit_compile, fixed)
    return entries[key]


def sampler(
    reference: Callable[[], keras.Model | None], functions: Functions, types: Any, count: int
) -> Callable[[Any, Any, tf.Tensor], Any]:
    """The function (inputs, arguments, first) → outputs of `count` samples, `[count, B, …]`."""

    def sample_outputs(inputs: Any, arguments: Any, first: tf.Tensor) -> Any:
        model = reference()
        assert model is not None  # the caller holds it while it predicts

        def one(sample: tf.Tensor) -> Any:
            # State that the call changes, as that of a stateful RNN, is dropped with the scope:
            # every sample starts from the model's own, which stays as it is.
            state = keras.StatelessScope(_seed_states(model, sample))
            with state, functions.at(sample, arguments):
                outputs = model(inputs, training=False)
            return keras.tree.map_structure(_as_result, outputs)

        return tf.map_fn(one, first + tf.range(count), fn_output_signature=types)

    return sample_outputs


def output_types(model: keras.Model, functions: Functions, rows: Any) -> Any:
    """The structure of the model's outputs, with their types as leaves."""
    if isinstance(model, keras.Sequential) and model.built and model.outputs:
        outputs = model.outputs[0]
    elif getattr(model, "outputs", None):
        outputs = model.output  # of a functional model, in its structure
    else:
        outputs = _outputs_of_one_row(model, functions, rows)
    return keras.tree.map_structure(
        lambda x: tf.float32 if tf.as_dtype(x.dtype).is_floating else tf.as_dtype(x.dtype), outputs
    )


def require_rows(model: keras.Model, outputs: Any, num_rows: int) -> None:
    """Raises ValueError where outputs `[S, …]` have other rows than inputs: they would be cut."""
    for path, output in keras.tree.flatten_with_path(outputs):
        if output.shape.rank < 2 or output.shape[1] != num_rows:
            name = "".join(f"[{key!r}]" for key in path)
            raise ValueError(
                f"outputs{name} of model {model.name!r} must have one row an input, [B, …], got "
                f"shape {output.shape[1:]} for {num_rows} inputs: rows are passed in blocks, which "
                "are cut and joined. Leave this output out of the model, or call the model itself "
                "in a bnn.Draw."
            )


def fixed_batch(model: keras.Model) -> int | None:
    """The number of rows that the model's inputs fix, as stateful layers ask for."""
    shapes = [x.shape for x in keras.tree.flatten(getattr(model, "inputs", None) or [])]
    return next((shape[0] for shape in shapes if len(shape) and shape[0] is not None), None)


def pass_size(model: keras.Model, num_rows: int, batch_size: int | None) -> int:
    """Rows of a pass: all where batch_size is None, unless the model's inputs fix them."""
    fixed = fixed_batch(model)
    if fixed is None:
        return min(batch_size or num_rows, num_rows)
    if batch_size not in (None, fixed):
        raise ValueError(
            f"batch_size must be {fixed} or None, as model {model.name!r} has inputs of that many "
            f"rows, got {batch_size}."
        )
    return fixed


def _outputs_of_one_row(model: keras.Model, functions: Functions, rows: Any) -> Any:
    def call(inputs: Any, arguments: Any) -> Any:
        with keras.StatelessScope(), functions.at(tf.constant(0), arguments):
            return model(inputs, training=False)

    first = keras.tree.map_structure(lambda x: x[: fixed_batch(model) or 1], rows)
    if tf.inside_function():
        return tf.function(call, autograph=False)(first, functions.arguments)
    if not model.built:
        model(first, training=False)
    return call(first, functions.arguments)


def _seed_states(model: keras.Model, sample: tf.Tensor) -> list[tuple[keras.Variable, tf.Tensor]]:
    """States of Keras's own random layers, where they are active: other numbers every sample."""
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    place = tf.cast(tf.stack([0, sample]), tf.uint32) * tf.constant(2**16, tf.uint32)
    return [(state, tf.cast(place, state.dtype) + state.value) for state in states]


def _as_result(outputs: Any) -> tf.Tensor:
    outputs = tf.convert_to_tensor(outputs)
    return tf.cast(outputs, tf.float32) if outputs.dtype.is_floating else outputs


def _kind(nest: Any, first_axis: int) -> tuple[Any, ...]:
    """Structure, types and shapes without the axis of rows: what a trace depends on."""
    paths = keras.tree.flatten_with_path(nest)
    kinds = tuple((path, x.dtype, tuple(x.shape[first_axis:])) for path, x in paths)
    return (type(nest).__name__, kinds)


def _on_grid(num_rows: int) -> int:
    """The smallest 2ᵏ · {4, 5, 6, 7}/4, at least 8, that is not smaller: at most a quarter more."""
    if num_rows <= _SMALL:
        return max(8, 1 << (num_rows - 1).bit_length())
    quarter = 1 << ((num_rows - 1).bit_length() - 3)
    return -(-num_rows // quarter) * quarter
