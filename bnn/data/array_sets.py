"""Sets in NumPy's own files: a `.npz` archive, or a folder of `.npy` files.

The arrays are named `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test`. `x_valid`, `y_valid`
and weights, `weights` or `weights_train` …, may stand beside them. Several inputs or targets are
called `x/image`, `x/text`, `y/price`. Unsigned bytes are taken for pixels and scaled to [0, 1];
other integers stay, as token numbers, which are never standardised; everything else becomes
float32. Files are read block by block into their final place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import gin
import numpy as np

from bnn.data import memory, nests, scales
from bnn.data.array_streams import file_stream, stream_scales
from bnn.data.build import build
from bnn.data.checks import to_int32
from bnn.data.dataset import Dataset
from bnn.data.nests import Nest
from bnn.data.npy_files import NpyArray, npy_arrays
from bnn.data.preparation import ArrayPreparation, NestPreparation, Preparation
from bnn.data.splits import PARTS, Rows, split_by_fraction
from bnn.data.targets import Targets, prepared_targets

_ROLES = ("x", "y", "weights")
Standardize = Literal["columns", "all"] | None


@gin.register(module="bnn.data")
def arrays(
    path: str | os.PathLike[str],
    name: str | None = None,
    num_classes: Any = None,
    target_kinds: Any = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
    standardize: Standardize = None,
    stream: bool = False,
    num_workers: int = 0,
    class_names: Any = None,
    target_names: tuple[str, ...] | None = None,
    feature_names: tuple[str, ...] | None = None,
    stream_test: bool = False,
) -> Dataset:
    """Returns the set of arrays named `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test`.

    Args:
      path: `.npz` archive or folder of `.npy` files; `bnn.data.array_sets` says what is in them.
      name: of the set; default: the file's.
      num_classes: of labels; default: one more than the largest training label.
      target_kinds: as in `Dataset`; default: integers `[N]` are labels, other numbers values, which
        are standardised.
      test_fraction: share of the examples that becomes the test part, where there is only `x`.
      validation_fraction: share of the training examples that becomes the validation part; not
        where there is an `x_valid`.
      seed: seed of both choices.
      standardize: "columns": subtract the training part's mean of every column of `[N, F]` and
        divide by its standard deviation; "all": one number each of all training values.
      stream: read training inputs when they are needed, for sets larger than memory; only from
        `.npy` files. Targets and validation part stay in memory.
      num_workers: processes that read, where it is streamed; 0: a thread.
      class_names: as in `Dataset`.
      target_names: as in `Dataset`.
      feature_names: as in `Dataset`.
      stream_test: read test inputs when they are needed, too.

    Raises:
      FileNotFoundError: no such file or folder.
      ValueError: arrays that are missing, of different length, damaged or not finite.
    """
    path = Path(path).expanduser()
    name = name or path.stem
    if standardize not in ("columns", "all", None):
        raise ValueError(f"standardize must be 'columns', 'all' or None, got {standardize!r}.")
    sources, rows, one_table = _parts(path, test_fraction, validation_fraction, seed)
    y = _read_parts(sources, rows, "y", "targets")
    targets = prepared_targets(name, y, num_classes, target_kinds)
    weights = _read_parts(sources, rows, "weights", None)
    streamed = [part for part, wanted in (("train", stream), ("test", stream_test)) if wanted]
    inputs, fields = _inputs(name, sources, rows, targets, weights, standardize, streamed)
    return build(
        name,
        inputs,
        targets,
        rows=rows if one_table else None,
        weights=weights,
        **fields,
        num_workers=num_workers,
        class_names=class_names,
        target_names=target_names,
        feature_names=feature_names,
    )


def _inputs(
    name: str,
    sources: dict[str, dict[str, Nest]],
    rows: Rows,
    targets: Targets,
    weights: dict[str, Any],
    standardize: Standardize,
    streamed: list[str],
) -> tuple[dict[str, Nest], dict[str, Any]]:
    """Inputs by part, and the fields of a Dataset that say where they come from.

    Parts that are streamed take their targets and weights out of what is given.
    """
    left = {part: rows[part][:0] if part in streamed else rows[part] for part in PARTS}
    x, files = _read_parts(sources, left, "x", standardize), sources["train"]["x"]
    if "train" in streamed:
        loc, scale = stream_scales(files, rows["train"], standardize)
    else:
        loc, scale = _scales(name, x["train"], standardize)
    fields = {
        "input_loc": loc,
        "input_scale": scale,
        "preparation": _preparation(files, x["train"], loc, scale),
    }
    for part in streamed:
        y, own = targets.parts[part], sources[part]["x"]
        source = file_stream(name, own, y, weights[part], rows[part], loc, scale)
        fields[f"{part}_source"] = source
        targets.parts[part] = nests.mapped(lambda values: values[:0], y)
        weights[part] = None
    return {part: _standardized(x[part], loc, scale) for part in PARTS}, fields


def _preparation(files: Nest, x: Nest, loc: Nest, scale: Nest) -> Preparation:
    """Raw inputs as the files hold them to the model's: bytes are pixels."""

    def of(file: NpyArray, values: np.ndarray, loc: Any, scale: Any) -> Preparation:
        integer, pixels = values.dtype == np.int32, file.dtype == np.uint8
        return ArrayPreparation(values.shape[1:], loc, scale, integer, pixels)

    parts = nests.mapped(of, files, x, loc, scale)
    return parts if isinstance(parts, Preparation) else NestPreparation(parts)


def _nest(found: dict[str, NpyArray], role: str) -> Nest:
    """The array of this name, the arrays `role/…` as a dict, or None."""
    if role in found:
        return found[role]
    prefix = f"{role}/"
    inner = {key.removeprefix(prefix): a for key, a in found.items() if key.startswith(prefix)}
    return inner or None


def _parts(
    path: Path, test_fraction: float, validation_fraction: float, seed: int
) -> tuple[dict[str, dict[str, Nest]], Rows, bool]:
    """The arrays of each part, which of their rows it takes, and whether all have the same."""
    found = npy_arrays(path)
    if _nest(found, "x") is None:
        return *_own_parts(path, found, validation_fraction, seed), False
    return *_split_parts(path, found, test_fraction, validation_fraction, seed), True


def _split_parts(
    path: Path,
    found: dict[str, NpyArray],
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> tuple[dict[str, dict[str, Nest]], Rows]:
    """The same arrays for each part, and which of their rows it takes."""
    given = {role: _nest(found, role) for role in _ROLES}
    _refuse_mixture(path, found)
    rows = split_by_fraction(_length(path, given), test_fraction, validation_fraction, seed=seed)
    return {part: given for part in PARTS}, rows


def _own_parts(
    path: Path, found: dict[str, NpyArray], validation_fraction: float, seed: int
) -> tuple[dict[str, dict[str, Nest]], Rows]:
    """The arrays of each part and which of their rows it takes."""
    sources = {
        part: {role: _nest(found, f"{role}_{part}") for role in _ROLES}
        for part in PARTS
        if _nest(found, f"x_{part}") is not None
    }
    absent = [part for part in ("train", "test") if part not in sources]
    if absent:
        raise ValueError(
            f"{path}: must hold x and y, or x_train, y_train, x_test and y_test, got "
            f"{', '.join(sorted(found))}; name the arrays so."
        )
    count = _length(path, sources["train"])
    if "valid" in sources:
        if validation_fraction:
            raise ValueError(
                f"validation_fraction must be 0 where {path.name} has an x_valid, got "
                f"{validation_fraction!r}; leave it out."
            )
        rows = {part: np.arange(_length(path, sources[part])) for part in PARTS}
        return sources, rows
    rows = split_by_fraction(count, 0.0, validation_fraction, seed=seed)
    sources["valid"] = sources["train"]
    rows["test"] = np.arange(_length(path, sources["test"]))
    return sources, rows


def _length(path: Path, given: dict[str, Nest]) -> int:
    lengths = {
        label: len(array)
        for role in _ROLES
        if given[role] is not None
        for label, array in nests.leaves(role, given[role])
    }
    if given["y"] is None or len(set(lengths.values())) != 1:
        raise ValueError(
            f"{path}: must hold targets y for the inputs x, a row an example, got "
            f"{', '.join(f'{n} rows in {label}' for label, n in lengths.items())}; pair them."
        )
    return next(iter(lengths.values()))


def _refuse_mixture(path: Path, found: dict[str, NpyArray]) -> None:
    others = [key for key in found if key.partition("/")[0] not in _ROLES]
    if others:
        raise ValueError(
            f"{path}: must hold x and y, or x_train, y_train, x_test and y_test, not both, got "
            f"{', '.join(sorted(found))}; leave one form out."
        )


def _read_parts(
    sources: dict[str, dict[str, Nest]], rows: Rows, role: str, mode: str | None
) -> dict[str, Any]:
    """The arrays of a role, by part; mode: how inputs are to be standardised, or "targets"."""

    def read(array: NpyArray, wanted: np.ndarray) -> np.ndarray:
        return array.take([wanted], _convert(role, array, mode), memory.empty)[0]

    return {
        part: None
        if sources[part][role] is None
        else nests.mapped(lambda array, wanted=rows[part]: read(array, wanted), sources[part][role])
        for part in PARTS
    }


def _convert(
    role: str, array: NpyArray, mode: str | None
) -> Callable[[np.ndarray], np.ndarray] | None:
    dtype = array.dtype
    if mode == "targets" or (dtype == np.float64 and mode is not None):
        return None  # standardised before it is rounded
    if role == "weights" and dtype.kind in "biu":
        return lambda block: block.astype(np.float32)
    if dtype == np.uint8:
        return lambda block: block.astype(np.float32) / 255
    if dtype.kind in "iu":
        return lambda block: to_int32(str(array.path), "an array of inputs", block)
    if dtype.kind not in "fb":
        raise ValueError(
            f"{array.path}: arrays must hold numbers, got {dtype} in an array of inputs or "
            f"weights; convert it."
        )
    return lambda block: block.astype(np.float32)


def _scales(name: str, x: Nest, mode: Standardize) -> tuple[Nest, Nest]:
    """Location and scale of the training inputs."""
    if mode is None:
        return None, None
    fit = scales.columns if mode == "columns" else scales.all_values

    def fitted(values: np.ndarray) -> tuple[Any, Any]:
        if values.dtype == np.int32:
            return None, None
        if not len(values):
            raise ValueError(f"{name}: standardize needs training examples, got none; add some.")
        return fit(values)

    both = nests.mapped(fitted, x)
    loc = nests.mapped(lambda _, pair: pair[0], x, both)
    return loc, nests.mapped(lambda _, pair: pair[1], x, both)


def _standardized(x: Nest, loc: Nest, scale: Nest) -> Nest:
    def apply(values: np.ndarray, loc: Any, scale: Any) -> np.ndarray:
        if values.dtype == np.float32:
            return scales.standardize_in_place(values, loc, scale)
        return values if values.dtype == np.int32 else scales.standardize(values, loc, scale)

    return nests.mapped(apply, x, loc, scale)
