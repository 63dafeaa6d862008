"""A prediction as text, and as a table of a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bnn.formatting import html_table, with_unit

if TYPE_CHECKING:
    from bnn.predictive.predictive import Predictive

_ROWS, _CLASSES, _NAMES = 5, 3, 8
_PARTS = ("total", "aleatoric", "epistemic")


def as_text(predictive: Predictive, is_cap: bool = False) -> str:
    """Lines of the first five inputs: means, each ± its Monte-Carlo error, and uncertainty.

    Args:
      predictive: what is shown.
      is_cap: whether the number of samples is the most of an input.
    """
    mean, error, total = predictive.mean, predictive.standard_error("mean"), predictive.total
    kind = "entropy" if total.ndim == 1 else "variance"
    most = "at most " if is_cap else ""
    lines = [
        f"Predictive of {len(mean)} inputs, {most}{predictive.num_samples} weight samples, "
        f"{type(predictive.likelihood).__name__}: mean{_columns(predictive)} ± Monte-Carlo error | "
        f"{kind}: total"
    ]
    for row in range(min(_ROWS, len(mean))):
        pairs = zip(mean[row], error[row], strict=True)
        cells = "  ".join(f"{m:.4g} ± {e:.1g}" for m, e in pairs)
        spread = "  ".join(f"{t:.4g}" for t in np.ravel(total[row]))
        lines.append(f"  {row}: {cells} | {spread}")
    return "\n".join(lines + (["  …"] if len(mean) > _ROWS else []))


def _columns(predictive: Predictive) -> str:
    """What the columns of the mean are, where they have names: " of load (kWh), cost"."""
    units = predictive.target_units
    named = [with_unit(name, units.get(name, "")) for name in predictive.names or ()]
    return f" of {', '.join(named[:_NAMES])}{', …' if len(named) > _NAMES else ''}" if named else ""


def as_table(predictive: Predictive) -> str:
    """HTML of the first five inputs: mean and uncertainties, each ± its Monte-Carlo error.

    Of classes the three most probable are shown.
    """
    mean, errors = predictive.mean, predictive.standard_error("mean")
    classes = predictive.total.ndim == 1
    names, rows = predictive.names or range(mean.shape[1]), []
    for row in range(min(_ROWS, len(mean))):
        shown = np.argsort(-mean[row])[:_CLASSES] if classes else range(mean.shape[1])
        prefix = "{}: " if classes else ""
        cells = [
            prefix.format(names[c]) + f"{mean[row, c]:.4g} ± {errors[row, c]:.1g}" for c in shown
        ]
        line = [str(row), ", ".join(cells)]
        for name in _PARTS:
            values = np.ravel(getattr(predictive, name)[row])
            spread = np.ravel(predictive.standard_error(name)[row])
            pairs = zip(values, spread, strict=True)
            line.append(", ".join(f"{v:.4g} ± {e:.1g}" for v, e in pairs))
        rows.append(line)
    unit = "entropy, nats" if classes else "variance"
    headings = ["input", "class: probability" if classes else f"mean{_columns(predictive)}"]
    headings += [f"{name} {unit}" for name in _PARTS]
    caption = (
        f"Predictive of {len(mean)} inputs, {predictive.num_samples} weight samples, "
        f"{type(predictive.likelihood).__name__}; ± Monte-Carlo error"
    )
    return html_table(caption, headings, rows)
