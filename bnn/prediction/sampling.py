"""Outputs of sampled functions, in blocks of rows and samples that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.formatting import progress_bar
from bnn.prediction.compiled import (
    compiled_prediction,
    output_types,
    pass_size,
    require_rows,
    sampler,
)
from bnn.prediction.functions import Draws, Functions
from bnn.prediction.inputs import (
    as_rows,
    batches_of,
    is_batched_set,
    leaves,
    number_of_rows,
    require_finite,
    take,
)

# XLA's gain is in small passes, whose operations take as long to start as to run. Where inputs no
# longer stay in caches the products decide, and a graph, which computes everything else on all
# cores, too, is faster by a third (experiments/speed). 784-400-400-10: the same at 2,000 inputs.
_GRAPH_FROM = 2**21
# Numbers of one block of results, 16 MB.
_BLOCK = 2**22


class Block(NamedTuple):
    """Outputs of some samples for some rows.

    Attributes:
      rows: which inputs.
      samples: which functions.
      outputs: like the model's, `[samples, rows, …]` each, tensors.
    """

    rows: slice
    samples: slice
    outputs: Any


def predict(
    model: keras.Model,
    inputs: Any,
    num_samples: int = 32,
    seed: Any = 0,
    *,
    functions: Functions | None = None,
    batch_size: int | None = None,
    jit_compile: bool | None = None,
    progress: bool = True,
) -> Any:
    """Outputs of `num_samples` functions drawn from the posterior, `[S, B, …]`.

    Coherent: sample s is one function of x, with the same weights for every input, batch by batch
    and call by call with the same seed. State that a call changes, such as that of stateful
    recurrent layers, is the model's own for every sample and every pass, and is left as it is.
    Rows must not depend on each other: they are passed in blocks, some repeated to fill one. NaN
    and infinity in the inputs are passed on to the model, and touch no other row; that row is NaN
    only where no operation drops them, as a dense layer's ReLU and maximum pooling do in a graph.
    `bnn.predictive` refuses them.

    Args:
      model: built Keras model.
      inputs: array or tensor `[B, …]`, strings and sparse tensors too; a list, tuple or dict of
        them; a batched `tf.data.Dataset` or `keras.utils.PyDataset` of inputs, or of inputs and
        targets. Inside of a `tf.function` B may be unknown.
      num_samples: S, at least 1.
      seed: int or scalar integer tensor.
      functions: what is sampled, `Draws(num_samples, seed)` where None; S is theirs where given.
      batch_size: inputs per pass, to bound memory; all at once where None.
      jit_compile: compile with XLA; False for convolutions on CPUs and for models with an operation
        that XLA lacks. None: XLA where a pass has fewer than 2²¹ numbers of input, as it is faster
        there, and the model has no operation that XLA lacks. The two agree to rounding.
      progress: show a bar on a terminal's standard error, after two seconds.

    Returns:
      A structure like the model's outputs, each a tensor `[S, B, …]`, float32 where the outputs are
      floating.

    Raises:
      ValueError: for num_samples or batch_size below 1, a seed that is no integer of 64 bits,
        inputs that are ragged, without examples or of different numbers of rows, outputs that do
        not have one row an input.
    """
    functions = _functions(functions, num_samples, seed)
    options: dict[str, Any] = {
        "functions": functions,
        "batch_size": batch_size,
        "jit_compile": jit_compile,
    }
    if tf.inside_function():
        return _traced(model, inputs, **options)
    blocks = predict_blocks(model, inputs, **options)
    num_rows = number_of_rows(model, inputs)
    with progress_bar("predicting", num_rows, progress) as advance:
        if num_rows is None:
            return _join(list(_counted(blocks, functions.num_samples, advance)))
        return _gathered(_counted(blocks, functions.num_samples, advance), functions, num_rows)


def _counted(
    blocks: Iterator[Block], num_samples: int, advance: Callable[[float], None]
) -> Iterator[Block]:
    """The blocks, each counted by its share of the inputs' work."""
    for block in blocks:
        samples = block.samples.stop - block.samples.start
        advance((block.rows.stop - block.rows.start) * samples / num_samples)
        yield block


def _gathered(blocks: Iterator[Block], functions: Functions, num_rows: int) -> Any:
    """All blocks as one structure of tensors."""
    first = next(blocks)
    if first.rows.stop == num_rows and first.samples.stop == functions.num_samples:
        return first.outputs
    results = keras.tree.map_structure(
        lambda x: _Result((functions.num_samples, num_rows, *x.shape[2:]), x.dtype), first.outputs
    )
    block: Block | None = first
    while block is not None:
        place = (block.samples, block.rows)
        keras.tree.map_structure(lambda r, x, at=place: r.put(at, x), results, block.outputs)
        block = next(blocks, None)
    return keras.tree.map_structure(lambda r: r.tensor(), results)


def predict_blocks(
    model: keras.Model,
    inputs: Any,
    num_samples: int = 32,
    seed: Any = 0,
    *,
    functions: Functions | None = None,
    batch_size: int | None = None,
    jit_compile: bool | None = None,
    samples: slice | None = None,
    finite: bool = False,
) -> Iterator[Block]:
    """`predict` piece by piece: all samples of the first rows, then of the next.

    Arguments as of `predict`; the whole result is never in memory. With `samples`, such as
    `slice(32, 64)`, only these of the functions are asked; sample s is the same function then.
    With `finite`, inputs of NaN or infinity are refused, naming the row.
    """
    functions = _functions(functions, num_samples, seed)
    _check_batch_size(batch_size, inputs)
    which = range(functions.num_samples)[samples or slice(None)]
    if not which or which.step != 1:
        raise ValueError(
            f"samples must be a slice of some of the {functions.num_samples} samples, in steps of "
            f"1, got {samples}."
        )
    if not is_batched_set(inputs):
        rows = as_rows(model, inputs)
        if finite:
            require_finite(rows)
        yield from _blocks(model, rows, functions, batch_size, jit_compile, which)
        return
    start = 0
    for batch in batches_of(inputs):
        rows = as_rows(model, batch)
        if finite:
            require_finite(rows, start)
        for block in _blocks(model, rows, functions, None, jit_compile, which):
            place = slice(start + block.rows.start, start + block.rows.stop)
            yield block._replace(rows=place)
        start += leaves(rows)[0].shape[0]
    if not start:
        raise ValueError("inputs must hold at least one example, got an empty data set.")


def _blocks(
    model: keras.Model,
    rows: Any,
    functions: Functions,
    batch_size: int | None,
    jit_compile: bool | None,
    which: range,
) -> Iterator[Block]:
    num_rows = leaves(rows)[0].shape[0]
    size = pass_size(model, num_rows, batch_size)
    xla = _compile_with_xla(rows, size, jit_compile)
    count = None
    for start in range(0, num_rows, size):
        stop = min(start + size, num_rows)
        block = take(rows, start, stop, 0)
        if count is None:
            count = _samples_a_block(model, len(which), size)
        first = which.start
        while first < which.stop:
            compiled = compiled_prediction(model, functions, block, count, xla)
            # The last rows have a pass that is compiled already.
            padded = compiled.size_for(size if xla and start else stop - start)
            filled = block if padded == stop - start else take(rows, start, stop, padded)
            begin = min(first, which.stop - count)  # no pass asks for a sample that there is not
            try:
                outputs = compiled.call(filled, functions.arguments, tf.constant(begin, tf.int32))
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
                if jit_compile is None and xla and "unsupported operations" in str(error):
                    xla = False
                    continue
                raise
            require_rows(model, outputs, padded)
            outputs = keras.tree.map_structure(
                lambda x, s=first - begin, b=stop - start: x[s:, :b], outputs
            )
            yield Block(slice(start, stop), slice(first, begin + count), outputs)
            first = begin + count


def _traced(
    model: keras.Model,
    inputs: Any,
    functions: Functions,
    batch_size: int | None,
    jit_compile: bool | None,
) -> Any:
    """One graph inside of the caller's: nothing is split."""
    if batch_size is not None:
        raise ValueError(
            f"batch_size must be None inside of a tf.function, got {batch_size}: the number of "
            "rows is known when it runs only; call predict on batches there."
        )
    if is_batched_set(inputs):
        raise ValueError(
            f"inputs must be tensors inside of a tf.function, got a {type(inputs).__name__}; "
            "iterate over it outside."
        )
    rows = as_rows(model, inputs)
    rows = keras.tree.map_structure(
        lambda x: tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x, rows
    )
    rows = keras.tree.map_structure(tf.convert_to_tensor, rows)
    types = output_types(model, functions, rows)
    body = sampler(lambda: model, functions, types, functions.num_samples)
    if jit_compile:
        body = tf.function(body, jit_compile=True, autograph=False)
    return body(rows, functions.arguments, tf.constant(0))


def _functions(functions: Functions | None, num_samples: int, seed: Any) -> Functions:
    if functions is None:
        return Draws(num_samples, seed)
    if not isinstance(functions, Functions):
        raise ValueError(
            f"functions must be bnn.prediction.Functions, got {functions!r}; pass for example "
            "Draws(num_samples, seed)."
        )
    if num_samples not in (32, functions.num_samples):
        raise ValueError(
            f"num_samples must be that of the functions, {functions.num_samples}, got "
            f"{num_samples}; leave it out."
        )
    return functions


def _check_batch_size(batch_size: Any, inputs: Any) -> None:
    if batch_size is None:
        return
    integer = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not integer or batch_size < 1:
        raise ValueError(f"batch_size must be at least 1 or None, got {batch_size!r}.")
    if is_batched_set(inputs):
        raise ValueError(
            f"batch_size must be None for a {type(inputs).__name__}, which has batches of its own, "
            f"got {batch_size}."
        )


def _compile_with_xla(rows: Any, size: int, jit_compile: bool | None) -> bool:
    strings = any(
        x.dtype == tf.string if tf.is_tensor(x) else x.dtype.kind in "OSU" for x in leaves(rows)
    )
    if strings:
        if jit_compile:
            raise ValueError(
                "jit_compile must be False or None for inputs of strings, which XLA lacks, got "
                f"{jit_compile!r}."
            )
        return False
    if jit_compile is not None:
        return bool(jit_compile)
    return size * sum(math.prod(x.shape[1:]) for x in leaves(rows)) < _GRAPH_FROM


def _samples_a_block(model: keras.Model, num_samples: int, size: int) -> int:
    """A number of samples whose results fit a block, by preference one that divides S."""
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    numbers = sum(math.prod(n or 1 for n in x.shape[1:]) for x in outputs)
    most = max(1, _BLOCK // max(1, size * numbers)) if numbers else 32
    if most >= num_samples:
        return num_samples
    for count in range(most, most // 2, -1):
        if num_samples % count == 0:
            return count
    return -(-num_samples // -(-num_samples // most))


class _Result:
    """A tensor that is filled block by block, in memory that TensorFlow takes over uncopied."""

    def __init__(self, shape: tuple[int, ...], dtype: tf.DType) -> None:
        self._dtype = dtype
        kind = dtype.as_numpy_dtype
        self._shared = dtype.is_floating
        if not self._shared:
            self._array = np.empty(shape, kind)
            return
        size = math.prod(shape) * np.dtype(kind).itemsize
        raw = np.empty(size + 64, np.uint8)
        offset = -raw.ctypes.data % 64
        self._array = raw[offset : offset + size].view(kind).reshape(shape)

    def put(self, place: tuple[slice, slice], block: tf.Tensor) -> None:
        self._array[place] = block.numpy()

    def tensor(self) -> tf.Tensor:
        if not self._shared:
            return tf.convert_to_tensor(self._array, self._dtype)
        return tf.experimental.dlpack.from_dlpack(self._array.__dlpack__())


def _join(blocks: list[Block]) -> Any:
    """Blocks of batches, whose number is known at the end only."""
    by_rows: dict[int, list[Any]] = {}
    for block in blocks:
        by_rows.setdefault(block.rows.start, []).append(block.outputs)
    whole = [
        keras.tree.map_structure(lambda *x: tf.concat(x, axis=0), *parts) if len(parts) > 1
        else parts[0]
        for parts in by_rows.values()
    ]  # fmt: skip
    return keras.tree.map_structure(lambda *x: tf.concat(x, axis=1), *whole)
