"""A prediction as text, and as a table of a notebook: what a person reads of the first inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from bnn.formatting import html_table, places_of, show, with_unit
from bnn.predictive.conformal import ConformalIntervals, ConformalSets
from bnn.predictive.first_rows import SHOWN, FirstRows

if TYPE_CHECKING:
    from bnn.predictive.predictive import Predictive

_CLASSES, _COLUMNS = 3, 8
_LEVEL = 0.9  # of the interval, where no calibration says another
_PARTS = ("aleatoric", "epistemic")
_ERROR = "Monte-Carlo error"


def as_text(said: Predictive, first: FirstRows, is_cap: bool = False) -> str:
    """Lines of the first five inputs: mean and interval, or the likeliest classes and entropy.

    The interval is the conformal one where the prediction is calibrated by such a rule, and so are
    probabilities and sets; else it is the predictive's own, of 90 %. Numbers are in the target's
    units.

    Args:
      said: what is shown.
      first: its first inputs.
      is_cap: whether the number of samples is the most of an input.
    """
    what, headings, rows = _shown(said, first)
    kept = slice(0, len(headings) - len(_PARTS))
    lines = [f"{_caption(said, is_cap)}: {what}", f"  {' | '.join(['input', *headings[kept]])}"]
    lines += [f"  {' | '.join([str(number), *cells[kept]])}" for number, cells in enumerate(rows)]
    return "\n".join(lines + (["  …"] if len(said.mean) > SHOWN else []))


def as_table(said: Predictive, first: FirstRows) -> str:
    """HTML of the first five inputs: as the text, with the parts of the uncertainty."""
    what, headings, rows = _shown(said, first)
    lines = [[str(number), *cells] for number, cells in enumerate(rows)]
    return html_table(f"{_caption(said)}: {what}", ["input", *headings], lines)


def _caption(said: Predictive, is_cap: bool = False) -> str:
    most = "at most " if is_cap else ""
    samples = f"{most}{said.num_samples} weight samples"
    return f"Predictive of {len(said.mean)} inputs, {samples}, {type(said.likelihood).__name__}"


def _shown(said: Predictive, first: FirstRows) -> tuple[str, list[str], list[list[str]]]:
    """What the cells are, their headings, and those of every input, the two parts last."""
    if said.likelihood.task == "classification":
        return _classes(said)
    what, headings, rows = _labels(said) if _has_labels(said) else _numbers(said, first)
    for name in _PARTS:
        headings.append(f"{name} standard deviation")
        spread = np.sqrt(getattr(said, name)[:SHOWN, :_COLUMNS])
        for cells, values in zip(rows, spread, strict=True):
            cells.append(", ".join(show(value, 2) for value in values))
    return what, headings, rows


def _has_labels(said: Predictive) -> bool:
    return said.likelihood.task == "multilabel"


def _classes(said: Predictive) -> tuple[str, list[str], list[list[str]]]:
    """The three likeliest classes, the set where there is one, and entropies."""
    calibration = said.calibration
    is_mapped = calibration is not None and calibration.scaling is not None
    errors = None if is_mapped else said.standard_error("mean")
    probs = said.calibrated_mean if is_mapped else said.mean
    names = said.names or range(probs.shape[1])
    headings, rows = ["class: recalibrated probability" if is_mapped else "class: probability"], []
    for row in range(min(SHOWN, len(probs))):
        likeliest = np.argsort(-probs[row], kind="stable")[:_CLASSES]
        rows.append([", ".join(_probability(names, probs, errors, row, c) for c in likeliest)])
    if calibration is not None and isinstance(calibration.conformal, ConformalSets):
        headings.append(_name_of(calibration.conformal, "set"))
        for cells, members in zip(rows, said.prediction_sets(), strict=False):
            cells.append("{" + ", ".join(str(names[c]) for c in np.flatnonzero(members)) + "}")
    for name in ("total", *_PARTS):
        headings.append(f"{name} entropy, nats")
        spread = getattr(said, name), said.standard_error(name)
        for cells, value, error in zip(rows, *spread, strict=False):
            cells.append(f"{value:.4g} ± {error:.1g}")
    return f"± {_ERROR}", headings, rows


def _labels(said: Predictive) -> tuple[str, list[str], list[list[str]]]:
    """The probability of every label by itself."""
    names, errors = said.names or range(said.mean.shape[1]), said.standard_error("mean")
    columns = range(min(_COLUMNS, said.mean.shape[1]))
    rows = [
        [", ".join(_probability(names, said.mean, errors, row, c) for c in columns)]
        for row in range(min(SHOWN, len(said.mean)))
    ]
    return f"± {_ERROR}", ["label: probability"], rows


def _probability(names: object, probs: np.ndarray, errors: object, row: int, column: int) -> str:
    known = f" ± {errors[row, column]:.1g}" if isinstance(errors, np.ndarray) else ""
    return f"{names[column]}: {probs[row, column]:.4g}{known}"  # type: ignore[index]


def _numbers(said: Predictive, first: FirstRows) -> tuple[str, list[str], list[list[str]]]:
    """Mean and interval of every target column."""
    name, (lower, upper) = _interval(said, first)
    is_whole = getattr(said.likelihood, "discrete", False) and said.calibration is None
    columns = range(min(_COLUMNS, said.mean.shape[1]))
    values = np.stack([said.mean[: len(lower)], lower, upper], axis=-1).tolist()
    rows = [[_number(row[d], is_whole) for d in columns] for row in values]
    names = said.names or (("target",) if said.mean.shape[1] == 1 else None)
    names = names or tuple(f"target {d}" for d in columns)
    headings = [with_unit(names[d], said.target_units.get(names[d], "")) for d in columns]
    errors = said.standard_error("mean").max(axis=0)[:_COLUMNS]
    most = f"; {_ERROR} of the means at most {', '.join(show(e, 2) for e in errors)}"
    return f"mean [{name}]{most if np.isfinite(errors).all() else ''}", headings, rows


def _interval(said: Predictive, first: FirstRows) -> tuple[str, tuple[np.ndarray, np.ndarray]]:
    """The interval's name, and its ends for the first inputs, `[n, D]` each."""
    rule = None if said.calibration is None else said.calibration.conformal
    if not isinstance(rule, ConformalIntervals):
        return f"central {100 * _LEVEL:g} % interval", first.interval(_LEVEL)
    rows = SimpleNamespace(
        likelihood=said.likelihood,
        mean=said.mean[:SHOWN],
        stddev=said.stddev[:SHOWN],
        interval=first.interval,
    )
    return _name_of(rule, "interval"), rule.interval(rows)


def _name_of(rule: ConformalIntervals | ConformalSets, what: str) -> str:
    return f"conformal {100 * rule.level:g} % {what}, {type(rule).__name__}"


def _number(three: Sequence[float], is_whole: bool) -> str:
    """Mean and ends to the place that shows two digits of the width; ends of counts whole."""
    mean, lower, upper = three
    if lower > upper:
        return f"{show(mean)} [empty]"
    width = upper - lower
    write: Callable[[float], str] = show
    if 0 < width < np.inf:
        places = places_of(width)
        write = lambda value: f"{round(value, places) + 0.0:.{places}f}"  # noqa: E731
    ends = [f"{end:.0f}" if is_whole else write(end) for end in (lower, upper)]
    return f"{write(mean)} [{', '.join(ends)}]"
