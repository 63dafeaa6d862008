"""Inputs of a prediction in all the forms that keras.Model.predict takes, as blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_ROWS = 1000  # of a block, where the caller does not say
_CHECKED = 4096  # rows that are looked at in one go
_FORMS = (
    "an array or tensor [B, …], a list, tuple or dict of them, a batched tf.data.Dataset, or a "
    "keras.utils.PyDataset"
)


def is_batched_set(inputs: Any) -> bool:
    """Whether the inputs come in batches of their own."""
    return isinstance(inputs, (tf.data.Dataset, keras.utils.PyDataset))


def batches_of(inputs: Any) -> Iterator[Any]:
    """The inputs of every batch of a data set; targets and weights are left out.

    Raises:
      ValueError: for a data set without end.
    """
    if isinstance(inputs, tf.data.Dataset):
        endless = int(inputs.cardinality()) == tf.data.INFINITE_CARDINALITY
        batches: Any = inputs
    else:
        endless = inputs.num_batches is None
        batches = (inputs[i] for i in range(0 if endless else inputs.num_batches))
    if endless:
        raise ValueError("inputs must be a data set that ends, got an endless one; take(n) of it.")
    for batch in batches:
        yield keras.utils.unpack_x_y_sample_weight(batch)[0]


def row_blocks(
    model: keras.Model, inputs: Any, size: int | None = None, finite: bool = False
) -> Iterator[tuple[int, Any]]:
    """First place, and dense rows, of blocks of at most `size` inputs, 1,000 where None.

    Raises:
      ValueError: as `as_rows`, for an empty data set, and with `finite` as `require_finite`.
    """
    start = 0
    for batch in batches_of(inputs) if is_batched_set(inputs) else [inputs]:
        rows = as_rows(model, batch)
        if finite:
            require_finite(rows, start)
        count = leaves(rows)[0].shape[0]
        for first in range(0, count, size or _ROWS):
            stop = min(first + (size or _ROWS), count)
            yield start + first, take(rows, first, stop, 0)
        start += count
    if not start:
        raise ValueError("inputs must hold at least one example, got an empty data set.")


def as_rows(model: keras.Model, inputs: Any) -> Any:
    """Inputs as a nest of arrays, tensors and sparse tensors with as many rows each.

    A list of numbers is one array, a list of arrays one input each.

    Raises:
      ValueError: for ragged, scalar or other inputs, and for different numbers of rows.
    """
    known = getattr(model, "inputs", None)
    rows = _nest(inputs, len(known) if known else None)
    sizes = {leaf.shape[0] for leaf in leaves(rows)}
    if len(sizes) != 1:
        raise ValueError(
            "inputs must have one row an example, got inputs of "
            f"{' and '.join(map(str, (tuple(leaf.shape) for leaf in leaves(rows))))}; bring them "
            "to the same number of rows."
        )
    if sizes == {0}:
        shape = leaves(rows)[0].shape
        raise ValueError(f"inputs must hold at least one example, got shape {tuple(shape)}.")
    return rows


def number_of_rows(model: keras.Model, inputs: Any) -> int | None:
    """How many inputs there are; None of a batched set, which does not say."""
    return None if is_batched_set(inputs) else leaves(as_rows(model, inputs))[0].shape[0]


def require_finite(rows: Any, start: int = 0) -> None:
    """Raises ValueError for NaN or infinity in inputs of floating numbers.

    Not every network answers NaN with NaN: a dense layer with a ReLU and maximum pooling drop it
    where they run as a graph, and a cast to ids makes a number of it.

    Args:
      rows: as `as_rows` gives them.
      start: number of the first row.
    """
    for path, leaf in keras.tree.flatten_with_path(rows):
        values = leaf.values if isinstance(leaf, tf.SparseTensor) else leaf
        kind = values.dtype
        if not (kind.is_floating if tf.is_tensor(values) else kind.kind == "f"):
            continue
        for first in range(0, len(values), _CHECKED):
            finite = np.isfinite(np.asarray(values[first : first + _CHECKED]))
            if finite.all():
                continue
            bad = ~finite.reshape(len(finite), -1).all(axis=1)
            place = first + int(np.argmax(bad))
            got = np.asarray(values[place])[~finite[place - first]].flat[0]
            row = int(leaf.indices[place, 0]) if isinstance(leaf, tf.SparseTensor) else place
            name = "".join(f"[{key!r}]" for key in path)
            raise ValueError(
                f"inputs{name} must be finite, got {got} in row {start + row}: what a network "
                "makes of it is not defined. Fill missing values in as in training, leave the row "
                "out, or give allow_nan=True where the model takes them."
            )


def leaves(rows: Any) -> list[Any]:
    """The arrays and tensors of a nest; a sparse tensor is one."""
    return keras.tree.flatten(rows)


def take(rows: Any, start: int, stop: int, size: int) -> Any:
    """Rows [start, stop) as dense tensors, the last one repeated up to `size` rows."""

    def one(leaf: Any) -> tf.Tensor:
        if isinstance(leaf, tf.SparseTensor):
            begin = [start, *[0] * (leaf.shape.rank - 1)]
            part = tf.sparse.slice(leaf, begin, [stop - start, *leaf.shape[1:]])
            block = tf.sparse.to_dense(tf.sparse.reorder(part))
        else:
            block = tf.convert_to_tensor(leaf[start:stop])
        missing = size - (stop - start)
        if missing > 0:
            block = tf.concat([block, tf.repeat(block[-1:], missing, axis=0)], axis=0)
        return block

    return keras.tree.map_structure(one, rows)


def _nest(inputs: Any, num_inputs: int | None) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _nest(value, 1) for name, value in inputs.items()}
    if not isinstance(inputs, (list, tuple)):
        return _leaf(inputs)
    arrays = [getattr(value, "shape", None) not in (None, ()) for value in inputs]
    several = all(arrays) or any(isinstance(value, (list, tuple, Mapping)) for value in inputs)
    if num_inputs is None and (any(arrays) or any(isinstance(v, Mapping) for v in inputs)):
        return type(inputs)(_nest(value, None) for value in inputs)
    if num_inputs is not None and num_inputs > 1 and several:
        if len(inputs) != num_inputs:
            raise ValueError(
                f"model takes {num_inputs} inputs, got a {type(inputs).__name__} of "
                f"{len(inputs)}; give one array [B, …] for each."
            )
        return type(inputs)(_nest(value, 1) for value in inputs)
    if len(inputs) == 1 and arrays[0]:
        return [_leaf(inputs[0])]
    if any(arrays) and num_inputs == 1 and len({value.shape for value in inputs}) > 1:
        raise ValueError(
            f"model takes 1 input, got a {type(inputs).__name__} of {len(inputs)} arrays; give "
            "one array [B, …]."
        )
    return _leaf(inputs)


def _leaf(value: Any) -> Any:
    if isinstance(value, tf.RaggedTensor):
        raise _refuse_ragged("a RaggedTensor")
    if hasattr(value, "tocoo"):  # a matrix of scipy.sparse
        value = value.tocoo()
        places = np.stack([value.row, value.col], axis=-1).astype(np.int64)
        value = tf.SparseTensor(places, value.data, value.shape)
        value = tf.sparse.reorder(value)
    elif not isinstance(value, tf.SparseTensor) and not tf.is_tensor(value):
        value = _array(value)
    if value.shape.rank == 0 if tf.is_tensor(value) else not value.shape:
        raise ValueError(f"inputs must be {_FORMS}, got a single {value.dtype}; add a batch axis.")
    return value


def _array(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise _refuse_ragged(f"a {type(value).__name__} of rows of different lengths") from error
    if array.dtype == object:
        if all(isinstance(item, (str, bytes)) for item in array.flat):
            return array.astype(str) if isinstance(next(array.flat), str) else array
        if any(np.ndim(item) for item in array.flat):
            raise _refuse_ragged("an array of rows of different lengths")
        raise ValueError(
            f"inputs must be {_FORMS}, got {type(value).__name__} of "
            f"{type(next(iter(array.flat), None)).__name__}; convert it to numbers."
        )
    return array


def _refuse_ragged(what: str) -> ValueError:
    return ValueError(
        f"inputs must be dense or sparse, got {what}; pad them to one length, with "
        "ragged.to_tensor() or keras.utils.pad_sequences, and mask the padding in the model "
        "(keras.layers.Masking)."
    )
