"""What outputs and targets must be, with errors that name the likelihood, the value and the remedy.

Values that are known, in eager mode or as constants of a traced function, are checked and refused.
Where a compiled function gets them as arguments they cannot be refused: a target outside of the
support has the log-probability NaN, never a finite wrong number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def one_output(name: str, outputs: Any) -> tf.Tensor:
    """Outputs `[B, K]` as float32, or as float64 where they are.

    Raises:
      ValueError: for several outputs, or outputs of another rank.
    """
    if isinstance(outputs, (list, tuple, Mapping)):
        raise ValueError(
            f"{name} takes one output [B, K], got a {type(outputs).__name__} of {len(outputs)}; "
            "give every output its likelihood with bnn.likelihoods.Heads({...})."
        )
    outputs = as_float(outputs)
    if outputs.shape.rank not in (2, None):
        raise ValueError(
            f"{name} takes outputs [B, K], got shape {outputs.shape}; "
            + (
                f"wrap it for outputs at every position or pixel: bnn.likelihoods.Positions({name}"
                "(...)) sums the events of an example and takes a mask."
                if outputs.shape.rank > 2
                else "keep the batch axis, and one column where there is one output."
            )
        )
    return outputs


def as_float(values: Any) -> tf.Tensor:
    """A tensor in float64 where it is that already, else in float32."""
    values = tf.convert_to_tensor(values)
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def class_labels(
    name: str, targets: Any, num_classes: int, num_examples: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Labels `[B]` in [0, C), int32, and which of them are valid; invalid ones are read as 0.

    Args:
      name: of the likelihood.
      targets: integers `[B]`, or floats without fractions.
      num_classes: C.
      num_examples: B, where it is known.

    Raises:
      ValueError: for labels of another shape or kind, and for known values outside of the range.
    """
    targets = one_target(name, targets, f"class labels [B], integers in [0, {num_classes})")
    if targets.shape.rank == 2:
        width = targets.shape[1]
        remedy = (
            "take the column: targets[:, 0]"
            if width == 1
            else "take the labels of one-hot targets with tf.argmax(targets, -1), or use "
            "bnn.likelihoods.SoftCategorical for probabilities"
        )
        raise ValueError(
            f"{name} takes class labels [B], integers in [0, {num_classes}), got targets of shape "
            f"{targets.shape}; {remedy}."
        )
    if targets.shape.rank not in (1, None):
        raise ValueError(
            f"{name} takes class labels [B], got targets of shape {targets.shape}; give one class "
            "number an example, or wrap the likelihood with bnn.likelihoods.Positions."
        )
    _same_length(name, targets, num_examples)
    known = tf.get_static_value(targets)
    if known is not None:
        _refuse_labels(name, known, num_classes)
    # Floats are compared as they are: a cast would turn 0.9 into the label 0. Integers are made
    # wide: the number of classes itself, such as 256, may not fit into their own type.
    if targets.dtype.is_integer:
        targets = tf.cast(targets, tf.int64)
    valid = (targets >= tf.zeros_like(targets)) & (targets < tf.cast(num_classes, targets.dtype))
    if targets.dtype.is_floating:
        valid &= tf.equal(targets, tf.floor(targets))
    return tf.cast(tf.where(valid, targets, tf.zeros_like(targets)), tf.int32), valid


def target_columns(name: str, targets: Any, width: int | None, dtype: tf.DType) -> tf.Tensor:
    """Targets `[B, D]`, or `[B]` where D = 1, as `[B, D]` of the given type.

    Raises:
      ValueError: for targets of another width, as they would be broadcast silently.
    """
    targets = one_target(name, targets, "numbers [B, D], or [B] where D = 1")
    columns = targets[:, tf.newaxis] if targets.shape.rank == 1 else targets
    if not columns.shape.is_compatible_with([None, width]):
        raise ValueError(
            f"{name}: targets must be [B, D], or [B] where D = 1, for outputs that mean D = "
            f"{width} target columns, got targets of shape {targets.shape}; size the last layer "
            "of the model with num_outputs(D)."
        )
    return tf.cast(columns, dtype)


def one_target(name: str, targets: Any, wanted: str) -> tf.Tensor:
    """A dense tensor of numbers.

    Raises:
      ValueError: for several targets, ragged or sparse ones, and strings.
    """
    if isinstance(targets, Mapping) or (
        isinstance(targets, (list, tuple)) and any(_is_array(t) for t in targets)
    ):
        raise ValueError(
            f"{name} takes one target, {wanted}, got a {type(targets).__name__} of "
            f"{len(targets)}; give every output its likelihood with bnn.likelihoods.Heads({{...}})."
        )
    if isinstance(targets, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"{name} takes {wanted}, got a {type(targets).__name__}; make it dense, with "
            "to_tensor() or tf.sparse.to_dense()."
        )
    if isinstance(targets, (list, tuple)):  # in float64: TensorFlow reads numbers as float32
        targets = np.asarray(targets)
    targets = tf.convert_to_tensor(targets)
    if targets.dtype == tf.bool:
        targets = tf.cast(targets, tf.int32)
    if not (targets.dtype.is_integer or targets.dtype.is_floating):
        raise ValueError(
            f"{name} takes {wanted}, got {targets.dtype.name}; number the classes from 0, for "
            "example with keras.layers.StringLookup."
        )
    return targets


def in_support(
    name: str,
    columns: tf.Tensor,
    valid: Callable[[tf.Tensor], tf.Tensor],
    neutral: float,
    requirement: str,
    remedy: str,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The targets with `neutral` in place of those outside of the support, and which are inside.

    Args:
      name: of the likelihood.
      columns: targets of any shape.
      valid: which values are inside, elementwise; NaN must not be.
      neutral: a value inside.
      requirement: what targets must be, as a phrase after "targets must be".
      remedy: what to do about others.

    Raises:
      ValueError: for known values outside.
    """
    known = tf.get_static_value(columns)
    if known is not None:
        with tf.init_scope():
            bad = ~valid(tf.constant(known)).numpy()
        if bad.any():
            row = int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
            rows = int(bad.reshape(len(bad), -1).any(axis=1).sum())
            raise ValueError(
                f"{name}: targets must be {requirement}, got {known[row][bad[row]].flat[0]:g} in "
                f"row {row} ({rows} such rows); {remedy}."
            )
    inside = valid(columns)
    return tf.where(inside, columns, tf.cast(neutral, columns.dtype)), inside


def nan_outside(log_prob: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """The log-probabilities, NaN where targets are outside of the support."""
    return tf.where(inside, log_prob, tf.cast(np.nan, log_prob.dtype))


def same_examples(name: str, outputs: tf.Tensor, targets: tf.Tensor) -> None:
    """Raises ValueError where the numbers of examples are known and differ."""
    _same_length(name, targets, outputs.shape[0])


def _same_length(name: str, targets: tf.Tensor, num_examples: int | None) -> None:
    if not targets.shape[:1].is_compatible_with([num_examples]):
        raise ValueError(
            f"{name}: outputs and targets must have one row an example, got {num_examples} rows "
            f"of outputs and targets of shape {targets.shape}; pair every output with its target."
        )


def _is_array(value: Any) -> bool:
    return getattr(value, "shape", ()) != ()


def _refuse_labels(name: str, labels: np.ndarray, num_classes: int) -> None:
    if np.issubdtype(labels.dtype, np.floating):
        bad = labels != np.floor(labels)
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"{name} takes class labels without fractions, got {labels[row]:g} in row {row} "
                f"({int(bad.sum())} such rows); give one class number an example, or use "
                "bnn.likelihoods.SoftCategorical with probabilities [B, C]."
            )
    bad = ~((labels >= 0) & (labels < num_classes))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{name}: wrong label range: the labels must lie in [0, {num_classes}), got "
            f"{labels[row]:g} in row {row} ({int(bad.sum())} such rows); number the classes from "
            "0, size the last layer with num_outputs(C), and leave out examples without a label "
            "(positions: bnn.likelihoods.Positions takes a mask)."
        )
