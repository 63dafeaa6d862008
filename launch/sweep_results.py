"""The results of a sweep: a CSV of every run, and mean and standard error over the seeds."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.files import write_text
from launch.points import Point

# Shown where a run has them and --metrics names none.
_HEADLINES = ("error", "rmse", "nll", "ece", "crps")
# Reports of their own, too long for a row.
_LEFT_OUT = ("ledger",)

# How formulas begin: a reference such as @Flipout() is written '@Flipout(), numbers as they are.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Finished = Sequence[tuple[Point, Mapping[str, Any]]]


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Numbers and strings of nested mappings by dotted name; lists are left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            if prefix or name not in _LEFT_OUT:
                yield from flatten(value, f"{prefix}{name}.")
        elif isinstance(value, bool | int | float | str):
            yield f"{prefix}{name}", value


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error s/√n, where s² = Σ(x − mean)²/(n − 1); None for one value."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, math.sqrt(variance / count)


def show(mean: float, error: float | None) -> str:
    """`0.1185 ± 0.0021`: the error with two significant digits, the mean to the same place."""
    if error is None or not math.isfinite(error) or error == 0:
        return f"{mean:.4g}" if error is None else f"{mean:.4g} ± {error:.2g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    if digits > 5 or (mean != 0 and round(mean, digits) == 0):  # nothing but zero is shown as zero
        return f"{mean:.4g} ± {error:.2g}"
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def choose_metrics(finished: Finished, wanted: Sequence[str] | None) -> list[str]:
    """The test metrics of the table.

    Raises:
      ValueError: a wanted one that no run has.
    """
    known = list(dict.fromkeys(name for _, results in finished for name in results["test"]))
    if wanted is None:
        return [name for name in _HEADLINES if name in known] or known
    for name in wanted:
        if finished and name not in known:
            raise ValueError(f"no run has the test metric {name!r}; they have {', '.join(known)}.")
    return list(wanted)


def summarize(finished: Finished, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row for every choice: what was chosen, `n`, and (mean, standard error) by metric."""
    groups: dict[tuple[tuple[str, str], ...], list[Mapping[str, Any]]] = {}
    for point, results in finished:
        groups.setdefault(tuple(point.choices.items()), []).append(results)
    rows = []
    for choices, members in groups.items():
        row: dict[str, Any] = {"choices": dict(choices), "n": len(members)}
        for metric in metrics:
            values = [r["test"][metric] for r in members if r["test"].get(metric) is not None]
            row[metric] = mean_and_error(values) if values else None
        rows.append(row)
    return rows


def table(
    points: Sequence[Point], rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> str:
    """The Markdown table of the summary, padded so that it reads well as plain text too."""
    labels = list(dict.fromkeys(label for point in points for label in point.choices))
    lines = [[*labels, "seeds", *(f"test {metric}" for metric in metrics)]]
    for row in rows:
        cells = [row["choices"].get(label, "") for label in labels]
        cells += [str(row["n"])]
        cells += ["–" if row[metric] is None else show(*row[metric]) for metric in metrics]
        lines.append(cells)
    return markdown_table(lines)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the headings' first, padded so that they read well as plain text too."""
    lines = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(
        f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |\n"
        for line in lines
    )


def write_results(
    root: Path, points: Sequence[Point], finished: Finished, metrics: Sequence[str]
) -> str:
    """Writes `results.csv`, `summary.csv` and `summary.md`; the table of the summary."""
    labels = list(dict.fromkeys(label for point in points for label in point.choices))
    runs = [
        {"run": point.name, **point.choices, **dict(flatten(results))}
        for point, results in finished
    ]
    _write_csv(root / "results.csv", ["run", *labels], runs)
    rows = summarize(finished, metrics)
    summary = []
    for row in rows:
        line: dict[str, Any] = {**row["choices"], "n": row["n"]}
        for metric in metrics:
            mean, error = row[metric] if row[metric] is not None else (None, None)
            line |= {f"{metric}.mean": mean, f"{metric}.standard_error": error}
        summary.append(line)
    _write_csv(root / "summary.csv", labels, summary)
    text = table(points, rows, metrics)
    write_text(root / "summary.md", text)
    return text


def _cell(text: str) -> str:
    """The text as a cell of a Markdown table, which shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", " ".join(str(text).split()))


def _plain(value: Any) -> Any:
    """The value, a text that a spreadsheet would take for a formula behind an apostrophe."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value) else value


def _write_csv(path: Path, first: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _plain(value) for name, value in row.items()} for row in rows])
    write_text(path, buffer.getvalue())
