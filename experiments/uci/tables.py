"""The study's tables in Markdown, beside the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from experiments.uci.choice import CHOSEN, Result, Summary, choices
from experiments.uci.published import GOALS, PUBLISHED, Published
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
    return "\n\n".join(parts) + "\n"


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


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
    return _markdown(["method", "source", *counts], lines, 2)


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
    lines = [["log-likelihood at least", *(_goal(ours[s]) for s in sets)]]
    for beaten in _BEATEN:
        lines.append(
            [f"log-likelihood above {beaten}", *(_above(ours[s], by_title[beaten]) for s in sets)]
        )
        lines.append([f"RMSE below {beaten}", *(_below(ours[s], by_title[beaten]) for s in sets)])
    return _markdown(["", *sets], lines)


def _goal(row: Summary) -> str:
    if row.set not in GOALS:
        return "–"
    return _verdict(row.log_likelihood >= GOALS[row.set], f"{GOALS[row.set]:.2f}")


def _above(row: Summary, other: Published) -> str:
    if row.set not in other.log_likelihood:
        return "–"
    value = other.log_likelihood[row.set][0]
    return _verdict(row.log_likelihood > value, f"{value:.2f}")


def _below(row: Summary, other: Published) -> str:
    if row.set not in other.rmse:
        return "–"
    value = other.rmse[row.set][0]
    return _verdict(row.rmse < value, f"{value:.2f}")


def _verdict(holds: bool, bound: str) -> str:
    return f"{bound}: {'yes' if holds else '**no**'}".replace("-", "−")


def _ours(rows: Sequence[Summary], sets: Sequence[str]) -> str:
    shown: Callable[[Summary], str] = lambda r: (  # noqa: E731
        f"{_number(r.valid_log_likelihood)} / {100 * r.coverage_95:.1f} % / {_number(r.elbo)}"
    )
    lines = [[title, *(_only(shown, rows, s, title) for s in sets)] for title in _titles(rows)]
    return _markdown(["candidate", *sets], lines)


def _only(shown: Callable[[Summary], str], rows: Sequence[Summary], name: str, title: str) -> str:
    found = [r for r in rows if (r.set, r.title) == (name, title)]
    return shown(found[0]).replace("-", "−") if found else "–"


def _choices(results: Sequence[Result], weights: Sequence[Weights], sets: Sequence[str]) -> str:
    counts = {s: choices(results, s) for s in sets}
    titles = dict.fromkeys(t for s in sets for t in counts[s])
    lines = [[t, *(str(counts[s].get(t, "–")) for s in sets)] for t in titles]
    close = [str(sum(g.close for g in weights if g.set == s)) for s in sets]
    lines.append(["*the best leads the second by at most one standard error*", *close])
    return _markdown(["candidate", *sets], lines)


def _weights(weights: Sequence[Weights], sets: Sequence[str]) -> str:
    titles = dict.fromkeys(title for given in weights for title in given.of)
    lines = []
    for title in titles:
        means = [np.mean([g.of[title] for g in weights if g.set == name]) for name in sets]
        lines.append([title, *(f"{mean:.2f}" for mean in means)])
    return _markdown(["candidate", *sets], lines)


def _sources() -> str:
    return _markdown(
        ["method", "source", "splits", "protocol", "±"],
        [
            [
                r.title,
                r.source,
                r.splits,
                r.protocol,
                "standard error" if r.spread == "se" else "standard deviation",
            ]
            for r in PUBLISHED
        ],
        5,
    )


def _titles(rows: Sequence[Summary]) -> list[str]:
    return list(dict.fromkeys(row.title for row in rows))


def _splits(rows: Sequence[Summary], name: str) -> int:
    return max(row.splits for row in rows if row.set == name)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _pair(mean: float, spread: float) -> str:
    return f"{mean:.3f} ± {spread:.3f}".replace("-", "−")
