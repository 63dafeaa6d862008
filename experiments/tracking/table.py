"""The table of the tracking study."""

from __future__ import annotations

import importlib.metadata
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from bnn.tracking import read_jsonl
from experiments.tracking.arms import ARMS, Arm
from experiments.tracking.run_file import read_run_file

_TIMES = ("train", "wall", "cpu")
_CLOCK = ("seconds",)  # what differs from run to run in metrics.jsonl


def table(root: Path) -> str:
    """Markdown: what each arm cost, by its runs below `root`, and what it recorded.

    A ratio is the geometric mean, over the rounds, of the arm's time by the time without a tracker
    in the same round, ± its standard error.
    """
    rounds: dict[str, dict[str, dict[str, Any]]] = {}
    for arm in ARMS:
        for path in sorted(root.glob(f"{arm.name}-*/cost.json")):
            number = path.parent.name.rpartition("-")[2]
            rounds.setdefault(number, {})[arm.name] = _read(path.parent)
    head = (
        "| network | rounds | waited while training | waited at the end | training | "
        "whole command | processor time, whole command | `metrics.jsonl` against no tracker's | "
        "rows W&B has on disk | warnings |\n|---|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = [_row(arm, list(rounds.values())) for arm in ARMS]
    return head + "".join(rows) + _foot(rounds)


def _read(folder: Path) -> dict[str, Any]:
    cost = json.loads((folder / "cost.json").read_text())
    results = json.loads((folder / "results.json").read_text())
    records = [
        {name: value for name, value in record.items() if name not in _CLOCK}
        for record in read_jsonl(folder / "metrics.jsonl")
    ]
    rows = [
        sum("loss" in row for row in read_run_file(path)["history"])
        for path in folder.glob("wandb/*run-*-*/run-*.wandb")
    ]
    return {
        "train": results["seconds"]["train"],
        "wall": cost["wall"],
        "cpu": cost["cpu"],
        "during": cost["held"].get("start", 0.0) + cost["held"].get("log", 0.0),
        "end": sum(cost["held"].get(call, 0.0) for call in ("figure", "artifact", "finish")),
        "records": records,
        "wandb": rows,
        "warnings": sum("W&B" in line for line in cost["stderr"].splitlines()),
        "results": results,
    }


def _row(arm: Arm, rounds: list[dict[str, dict[str, Any]]]) -> str:
    pairs = [(r[arm.name], r["none"]) for r in rounds if arm.name in r and "none" in r]
    if not pairs:
        return ""
    if arm.name == "none":
        shown = [
            f"{np.median([run[k] for run, _ in pairs]):.1f} s" for k in ("train", "wall", "cpu")
        ]
    else:
        shown = [
            _ratio([run[k] / none[k] for run, none in pairs]) for k in ("train", "wall", "cpu")
        ]
    during = np.median([run["during"] / run["train"] for run, _ in pairs])
    shown = [
        f"{100 * during:.2f} %",
        f"{np.median([run['end'] for run, _ in pairs]):.1f} s",
        *shown,
    ]
    lines = {len(run["records"]) for run, _ in pairs}
    same = sum(run["records"] == none["records"] for run, none in pairs)
    equal = f"{_range(lines)} lines, " + (
        "–" if arm.name == "none" else f"{same} of {len(pairs)} bit-identical"
    )
    wandb = {sum(run["wandb"]) for run, _ in pairs} if arm.name != "none" else set()
    warnings = {run["warnings"] for run, _ in pairs}
    return (
        f"| {arm.title} | {len(pairs)} | {' | '.join(shown)} | {equal} | "
        f"{_range(wandb) if wandb else '–'} | {_range(warnings)} |\n"
    )


def _ratio(ratios: list[float]) -> str:
    logs = np.log(ratios)
    mean = math.exp(logs.mean())
    if len(logs) < 2:
        return f"×{mean:.3f}"
    return f"×{mean:.3f} ± {mean * logs.std(ddof=1) / math.sqrt(len(logs)):.3f}"


def _range(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}–{high}"


def _foot(rounds: dict[str, dict[str, dict[str, Any]]]) -> str:
    runs = [run["results"] for arms in rounds.values() for run in arms.values()]
    if not runs:
        return ""
    versions = runs[-1]["versions"]
    dates = sorted({run["date"][:10] for run in runs})
    revisions = sorted({run["git_revision"][:12] for run in runs})
    return (
        f"\n`python -m experiments.tracking.run --repeats={len(rounds)}`, seed "
        f"{runs[-1]['seed']}, {', '.join(dates)}, revision {', '.join(revisions)}, Python "
        f"{versions['python']}, TensorFlow {versions['tensorflow']}, Keras {versions['keras']}, "
        f"wandb {importlib.metadata.version('wandb')}, 2 CPU cores.\n"
    )
