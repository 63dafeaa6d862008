"""The study's tables in Markdown, beside the published numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.study import markdown, minus
from experiments.uci.choice import CHOSEN, Result, Summary, choices
from experiments.uci.published import GOALS, PUBLISHED
from experiments.uci.stacking import STACKED, Weights

_BEATEN = ("VI (Graves)", "PBP", "Bayes by Backprop")


def table(
    rows: Sequence[Summary],
    results: Sequence[Result],
    weights: Sequence[Weights],
    settings: dict[str, Any],
) -> str:
    """All tables: log-likelihood, RMSE, what was to be shown, validation, choice, weights."""
    sets = sorted({row.set for row in rows})
    parts = [
        "**Test log-likelihood, nats per example, of the target in its own units** (higher is "
        "better; mean ± standard error over splits unless marked)",
        _beside(rows, sets, "log_likelihood"),
        "**Test RMSE, target units** (lower is better)",
        _beside(rows, sets, "rmse"),
        f'**What the row "{CHOSEN}" was to show** (the rule that was fixed beforehand)',
        _goals(rows, sets, CHOSEN),
        f'**The same of the row "{STACKED}"** (the rule added when the test results of the first '
        "were known)",
        _goals(rows, sets, STACKED),
        "**Validation log-likelihood (what is chosen by), 95 % coverage on test, ELBO** (of "
        "stacking, whose weights are fitted to the validation rows, the coverage alone)",
        _ours(rows, sets),
        "**How many splits chose each candidate**",
        _choices(results, weights, sets),
        "**Weight of each candidate in the stack, mean over splits**",
        _weights(weights, sets),
        "**The published rows**",
        _sources(),
        f"Ours: whole KL in every row; {settings['test_samples']} weight samples in every test "
        f"predictive of a candidate, {settings['valid_samples']} in every validation predictive.",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _beside(rows: Sequence[Summary], sets: Sequence[str], metric: str) -> str:
    """Our rows, then the published ones, a column per set."""
    lines = []
    for title in _titles(rows):
        name = f"**{title}**" if title == CHOSEN else title
        source = "ours, whole KL" + ("; rule added later" if title == STACKED else "")
        lines.append([name, source, *_cells(rows, sets, title, metric)])
    for row in PUBLISHED:
        values: dict[str, tuple[float, float]] = getattr(row, metric)
        mark = "" if row.spread == "se" else " (sd)"
        cells = [_pair(*values[s]) + mark if s in values else "–" for s in sets]
        lines.append([row.title, row.source, *cells])
    counts = [f"{s} ({_splits(rows, s)} splits)" for s in sets]
    return markdown(["method", "source", *counts], lines, 2)


def _cells(rows: Sequence[Summary], sets: Sequence[str], title: str, metric: str) -> list[str]:
    found = {r.set: r for r in rows if r.title == title}
    return [
        _pair(getattr(found[s], metric), getattr(found[s], f"{metric}_se")) if s in found else "–"
        for s in sets
    ]


def _goals(rows: Sequence[Summary], sets: Sequence[str], title: str) -> str:
    """A rule's row against the goals and the published variational rows, set by set."""
    by_title = {row.title: row for row in PUBLISHED}
    ours = {row.set: row for row in rows if row.title == title}
    sets = [s for s in sets if s in ours]
    asked: list[Any] = [("log-likelihood at least", "log_likelihood", operator.ge, GOALS)]
    for name in _BEATEN:
        for what, metric, better in (
            ("log-likelihood above", "log_likelihood", operator.gt),
            ("RMSE below", "rmse", operator.lt),
        ):
            bounds = {s: mean for s, (mean, _) in getattr(by_title[name], metric).items()}
            asked.append((f"{what} {name}", metric, better, bounds))
    lines = [
        [what, *(_verdict(getattr(ours[s], metric), better, bounds.get(s)) for s in sets)]
        for what, metric, better, bounds in asked
    ]
    return markdown(["", *sets], lines, 1)


def _verdict(value: float, better: Callable[[float, float], bool], bound: float | None) -> str:
    if bound is None:
        return "–"
    return minus(f"{bound:.2f}: {'yes' if better(value, bound) else '**no**'}")


def _ours(rows: Sequence[Summary], sets: Sequence[str]) -> str:
    found = {(r.set, r.title): r for r in rows}
    lines = [[title, *(_measures(found.get((s, title))) for s in sets)] for title in _titles(rows)]
    return markdown(["candidate", *sets], lines, 1)


def _measures(row: Summary | None) -> str:
    if row is None:
        return "–"
    coverage = f"{100 * row.coverage_95:.1f} %"
    return f"{_number(row.valid_log_likelihood)} / {coverage} / {_number(row.elbo)}"


def _choices(results: Sequence[Result], weights: Sequence[Weights], sets: Sequence[str]) -> str:
    counts = {s: choices(results, s) for s in sets}
    titles = dict.fromkeys(t for s in sets for t in counts[s])
    lines = [[t, *(str(counts[s].get(t, "–")) for s in sets)] for t in titles]
    close = [str(sum(g.close for g in weights if g.set == s)) for s in sets]
    lines.append(["*the best leads the second by at most one standard error*", *close])
    return markdown(["candidate", *sets], lines, 1)


def _weights(weights: Sequence[Weights], sets: Sequence[str]) -> str:
    titles = dict.fromkeys(title for given in weights for title in given.of)
    lines = []
    for title in titles:
        means = [np.mean([g.of[title] for g in weights if g.set == name]) for name in sets]
        lines.append([title, *(f"{mean:.2f}" for mean in means)])
    return markdown(["candidate", *sets], lines, 1)


def _sources() -> str:
    spreads = {"se": "standard error", "sd": "standard deviation"}
    lines = [[r.title, r.source, r.splits, r.protocol, spreads[r.spread]] for r in PUBLISHED]
    return markdown(["method", "source", "splits", "protocol", "±"], lines)


def _titles(rows: Sequence[Summary]) -> list[str]:
    return list(dict.fromkeys(row.title for row in rows))


def _splits(rows: Sequence[Summary], name: str) -> int:
    return max(row.splits for row in rows if row.set == name)


def _number(value: float | None) -> str:
    return "–" if value is None else minus(f"{value:.3f}")


def _pair(mean: float, spread: float) -> str:
    return minus(f"{mean:.3f} ± {spread:.3f}")
