"""The study's figure: every method on every set, ours and the published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnn.figures.canvas import BLUE, GREEN, GREY, VERMILION, canvas
from experiments.uci.choice import CHOSEN, Summary
from experiments.uci.published import GOALS, PUBLISHED
from experiments.uci.stacking import STACKED

_RULES: dict[str, dict[str, Any]] = {
    CHOSEN: {"color": VERMILION, "marker": "D"},
    STACKED: {"color": GREEN, "marker": "^"},
}
# (metric, axis label); published standard deviations are no errors of a mean and are not drawn.
_METRICS = (("log_likelihood", "test log-likelihood, nats"), ("rmse", "test RMSE"))


def draw(rows: Sequence[Summary], path: Path) -> None:
    """Means and standard errors, a column of panels per set; log-likelihood above RMSE."""
    sets = sorted({row.set for row in rows})
    titles = list(dict.fromkeys(row.title for row in rows))
    names = titles + [row.title for row in PUBLISHED]
    height = 2 * (0.9 + 0.17 * len(names))
    with canvas(path, 2.5 + 1.6 * len(sets), height) as figure:
        axes = figure.subplots(2, len(sets), squeeze=False, sharey=True)
        for (metric, label), line in zip(_METRICS, axes, strict=True):
            for name, axis in zip(sets, line, strict=True):
                _panel(axis, [r for r in rows if r.set == name], names, metric)
                axis.set_xlabel(label)
                axis.set_title(name)
                if metric == "log_likelihood" and name in GOALS:
                    axis.axvline(GOALS[name], color=GREY, linestyle=":", linewidth=1.0)


def _panel(axis: Any, rows: Sequence[Summary], names: Sequence[str], metric: str) -> None:
    for row in rows:
        error = getattr(row, f"{metric}_se")
        look = _RULES.get(row.title, {"color": BLUE, "marker": "o"})
        axis.errorbar(
            getattr(row, metric), names.index(row.title), xerr=error, linestyle="none", **look
        )
    for published in PUBLISHED:
        values = getattr(published, metric)
        if rows and rows[0].set in values:
            mean, spread = values[rows[0].set]
            axis.errorbar(
                mean,
                names.index(published.title),
                xerr=spread if published.spread == "se" else None,
                color=GREY,
                marker="s",
                markerfacecolor="white",
                linestyle="none",
            )
    axis.locator_params(axis="x", nbins=3)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
