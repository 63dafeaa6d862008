"""The table of the tracking study."""

from __future__ import annotations

import importlib.metadata
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bnn.tracking import read_jsonl
from experiments.records import built_with, made
from experiments.study import ROOT, markdown, standard_error
from experiments.tracking.arms import ARMS, Arm

_TIMES = ("train", "wall", "cpu")
_CLOCK = ("seconds",)  # what differs from run to run in metrics.jsonl
_HEAD = (
    *("network", "rounds", "waited while training", "waited at the end", "training"),
    *("whole command", "processor time, whole command", "`metrics.jsonl` against no tracker's"),
    *("rows W&B has on disk", "warnings"),
)
# Prints the rows of metrics in W&B's own files; the tests of `bnn.tracking` have it.
_READER = "tests/tracking/wandb_file.py"


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
    lines = [row for arm in ARMS if (row := _row(arm, list(rounds.values())))]
    return markdown(_HEAD, lines, compact=True) + _foot(rounds)


def _read(folder: Path) -> dict[str, Any]:
    cost = json.loads((folder / "cost.json").read_text())
    results = json.loads((folder / "results.json").read_text())
    records = [
        {name: value for name, value in record.items() if name not in _CLOCK}
        for record in read_jsonl(folder / "metrics.jsonl")
    ]
    files = [str(path) for path in folder.glob("wandb/*run-*-*/run-*.wandb")]
    command = [sys.executable, _READER, *files]
    read = subprocess.check_output(command, cwd=ROOT, text=True) if files else ""
    rows = [sum("loss" in row for row in json.loads(line)) for line in read.splitlines()]
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


def _row(arm: Arm, rounds: list[dict[str, dict[str, Any]]]) -> list[str]:
    pairs = [(r[arm.name], r["none"]) for r in rounds if arm.name in r and "none" in r]
    if not pairs:
        return []
    runs, bare = [run for run, _ in pairs], arm.name == "none"
    if bare:
        times = [f"{np.median([run[name] for run in runs]):.1f} s" for name in _TIMES]
    else:
        times = [_ratio([run[name] / none[name] for run, none in pairs]) for name in _TIMES]
    same = sum(run["records"] == none["records"] for run, none in pairs)
    equal = "–" if bare else f"{same} of {len(pairs)} bit-identical"
    wandb = set() if bare else {sum(run["wandb"]) for run in runs}
    return [
        *(arm.title, str(len(pairs))),
        f"{100 * np.median([run['during'] / run['train'] for run in runs]):.2f} %",
        f"{np.median([run['end'] for run in runs]):.1f} s",
        *times,
        f"{_range({len(run['records']) for run in runs})} lines, {equal}",
        _range(wandb) if wandb else "–",
        _range({run["warnings"] for run in runs}),
    ]


def _ratio(ratios: list[float]) -> str:
    logs = np.log(ratios)
    mean = math.exp(logs.mean())
    if len(logs) < 2:
        return f"×{mean:.3f}"
    return f"×{mean:.3f} ± {mean * standard_error(logs):.3f}"


def _range(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}–{high}"


def _foot(rounds: dict[str, dict[str, dict[str, Any]]]) -> str:
    runs = [run["results"] for arms in rounds.values() for run in arms.values()]
    if not runs:
        return ""
    return (
        f"\n`python -m experiments.tracking.run --repeats={len(rounds)}`, seed "
        f"{runs[-1]['seed']}, {made(runs)}, {built_with(runs[-1])}, "
        f"wandb {importlib.metadata.version('wandb')}, 2 CPU cores.\n"
    )
