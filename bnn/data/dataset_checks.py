"""The checks that a Dataset makes when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnn.data import checks, nests
from bnn.data.scaling import KINDS

if TYPE_CHECKING:
    from bnn.data.dataset import Dataset

_PARTS = ("train", "valid", "test")
_PROBES = 8


def check_dataset(data: Dataset) -> None:
    """Raises ValueError with the set, the part and the row for whatever does not fit."""
    nests.check_one_level(data.name, "x_train", data.x_train)
    nests.check_one_level(data.name, "y_train", data.y_train)
    _check_targets_described(data)
    for part in _PARTS:
        _check_inputs(data, part)
        _check_targets(data, part)
        _check_lengths(data, part)
    if not data.num_train and not data.num_test:
        raise ValueError(
            f"{data.name}: x_train or x_test must hold an example, got 0 rows in both; "
            f"give at least one of them."
        )
    _check_target_scales(data)
    _check_input_scales(data)
    _check_names(data)
    _check_units(data)


def probe(source: Any) -> list[tuple[str, np.ndarray]]:
    """Returns a few examples of a source, evenly spread, as arrays with names."""
    places = np.unique(np.linspace(0, len(source) - 1, _PROBES).astype(int))
    return [
        (f"example {place} {label}", np.asarray(value))
        for place in places
        for what, nest in zip(("x", "y", "weight"), source[int(place)], strict=False)
        for label, value in nests.leaves(what, nest)
        if value is not None
    ]


def _check_inputs(data: Dataset, part: str) -> None:
    x, label = data.part(part)[0], f"x_{part}"
    nests.check_structure(data.name, label, x, "x_train", data.x_train)
    for (leaf, values), (_, model) in zip(
        _sorted(label, x), _sorted("x_train", data.x_train), strict=True
    ):
        checks.check_inputs(data.name, leaf, values)
        if values.shape[1:] != model.shape[1:] or values.dtype != model.dtype:
            seen = values.shape[1:] if values.dtype == model.dtype else checks.describe(values)
            raise ValueError(
                f"{data.name}: {leaf} must hold examples of the shape of x_train, "
                f"{model.shape[1:]}, got {seen}; bring all parts to one shape."
            )


def _check_targets(data: Dataset, part: str) -> None:
    y, label = data.part(part)[1], f"y_{part}"
    nests.check_structure(data.name, label, y, "y_train", data.y_train)
    kinds = dict(nests.leaves(label, data.kinds))
    classes = dict(nests.leaves(label, _by_target(data, data.num_classes)))
    models = dict(nests.leaves(label, data.y_train))
    for leaf, values in nests.leaves(label, y):
        kind, shape = kinds[leaf], np.shape(models[leaf])[1:]
        if kind in ("labels", "label_map"):
            is_map = kind == "label_map"
            checks.check_labels(data.name, leaf, values, classes[leaf], is_map=is_map)
        elif kind == "values":
            checks.check_values(data.name, leaf, values, shape)
        elif kind == "counts":
            checks.check_counts(data.name, leaf, values, shape)
        else:
            checks.check_multi_label(data.name, leaf, values, shape)


def _check_lengths(data: Dataset, part: str) -> None:
    x, y = data.part(part)
    first_label, first = nests.leaves(f"x_{part}", x)[0]
    others = nests.leaves(f"x_{part}", x)[1:] + nests.leaves(f"y_{part}", y)
    for label, values in others:
        checks.check_lengths(data.name, first_label, first, label, values)
    weights = getattr(data, f"weights_{part}")
    if weights is not None:
        checks.check_weights(data.name, f"weights_{part}", weights, len(first))
    rows = getattr(data, f"rows_{part}")
    if rows is None:
        return
    count = {"train": data.num_train, "valid": data.num_valid, "test": data.num_test}[part]
    right = isinstance(rows, np.ndarray) and rows.dtype == np.int64
    if not right or rows.shape != (count,):
        raise ValueError(
            f"{data.name}: rows_{part} must be an int64 array [{count}], a number an example, "
            f"got {checks.describe(rows)}; give the examples' numbers in their source."
        )


def _check_targets_described(data: Dataset) -> None:
    if isinstance(data.y_train, tuple):
        raise ValueError(
            f"{data.name}: y_train must be an array or a dict of arrays by name, got a tuple of "
            f"{len(data.y_train)}; name the targets."
        )
    for what in ("num_classes", "target_loc", "target_scale", "target_kinds", "class_names"):
        given = getattr(data, what)
        if given is None:
            continue
        if isinstance(given, dict) != isinstance(data.y_train, dict):
            raise ValueError(
                f"{data.name}: {what} must be a dict where the targets are one, and only there, "
                f"got {type(given).__name__} for {nests.structure(data.y_train)}."
            )
        unknown = sorted(set(given) - set(data.y_train)) if isinstance(given, dict) else []
        if unknown:
            raise ValueError(
                f"{data.name}: {what} must name targets, {', '.join(map(repr, data.y_train))}, "
                f"got {', '.join(map(repr, unknown))}; correct the name."
            )
    for _, kind in nests.leaves("target_kinds", data.kinds):
        if kind not in KINDS:
            raise ValueError(
                f"{data.name}: target_kinds must be one of {', '.join(KINDS)}, got {kind!r}."
            )


def _check_target_scales(data: Dataset) -> None:
    locs, scales = (_by_target(data, value) for value in (data.target_loc, data.target_scale))
    pairs = zip(
        nests.leaves("", data.kinds),
        nests.leaves("", locs),
        nests.leaves("", scales),
        nests.leaves("", data.num_targets),
        strict=True,
    )
    for (_, kind), (_, loc), (_, scale), (_, size) in pairs:
        if (loc is None) != (kind != "values"):
            raise ValueError(
                f"{data.name}: target_loc and target_scale must be given for regression and None "
                f"for classification, got num_classes={data.num_classes} and target_loc={loc}; "
                f"regression_dataset and classification_dataset fill them in."
            )
        _check_scale(data.name, "target", loc, scale, [(size,)])


def _check_input_scales(data: Dataset) -> None:
    for what in ("input_loc", "input_scale"):
        given = getattr(data, what)
        if given is not None and isinstance(data.x_train, (dict, tuple)):
            nests.check_structure(data.name, what, given, "x_train", data.x_train)
    nests.mapped(
        lambda x, loc, scale: _check_scale(data.name, "input", loc, scale, [(), x.shape[1:]]),
        data.x_train,
        data.input_loc,
        data.input_scale,
    )


def _check_scale(name: str, what: str, loc: Any, scale: Any, shapes: list[tuple]) -> None:
    if loc is None and scale is None:
        return
    right = all(
        np.shape(value) in shapes and np.isfinite(value).all()
        for value in (loc, scale)
        if value is not None
    )
    if loc is None or scale is None or not right or not (np.asarray(scale) > 0).all():
        raise ValueError(
            f"{name}: {what}_loc and {what}_scale must be finite, of shape "
            f"{' or '.join(map(str, shapes))}, and the scale positive, got {loc} and {scale}; "
            f"a constant column has scale 1."
        )


def _check_names(data: Dataset) -> None:
    expected: list[tuple[str, Any, Any]] = []
    if data.target_names is not None:
        size = None if isinstance(data.y_train, dict) else data.num_targets
        expected.append(("target_names", data.target_names, size))
    if data.feature_names is not None:
        shape = data.input_shape
        flat = isinstance(shape, tuple) and len(shape) == 1 and isinstance(shape[0], int)
        expected.append(("feature_names", data.feature_names, shape[0] if flat else None))
    named = data.class_names if isinstance(data.y_train, dict) else {"": data.class_names}
    classes = data.num_classes if isinstance(data.y_train, dict) else {"": data.num_classes}
    for key, names in (named or {}).items():
        if names is not None:
            expected.append(("class_names", names, (classes or {}).get(key)))
    for what, names, size in expected:
        texts = isinstance(names, tuple) and all(isinstance(name, str) for name in names)
        if not texts or len(names) != size or len(set(names)) != len(names):
            raise ValueError(
                f"{data.name}: {what} must be a tuple of {size} different texts, got {names!r}; "
                f"give each its own name, or None."
            )


def _check_units(data: Dataset) -> None:
    units = data.target_units
    if units is None:
        return
    kinds = data.kinds if isinstance(data.y_train, dict) else {"": data.kinds}
    known = [name for name, kind in kinds.items() if kind in ("values", "counts")]
    if known == [""]:
        numbered = (f"target_{number}" for number in range(data.num_targets))
        known = list(data.target_names or numbered)
    texts = isinstance(units, Mapping) and all(isinstance(unit, str) for unit in units.values())
    unknown = [name for name in units if name not in known] if texts else []
    if not texts or unknown:
        raise ValueError(
            f"{data.name}: target_units must be a dict of texts by the names of targets that are "
            f"numbers, {', '.join(map(repr, known)) or 'of which there are none'}, got "
            f"{', '.join(map(repr, unknown)) or repr(units)}; correct the name, or leave it out."
        )


def _by_target(data: Dataset, given: Any) -> Any:
    if not isinstance(data.y_train, dict):
        return given
    return {key: (given or {}).get(key) for key in data.y_train}


def _sorted(label: str, nest: Any) -> list[tuple[str, Any]]:
    return sorted(nests.leaves(label, nest), key=lambda leaf: leaf[0])
