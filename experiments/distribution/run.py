"""Measures agreement, kills and workers, and writes the tables of the README.

    python -m experiments.distribution.run [--parts=agreement,kills,workers] [--report]

Each part leaves its numbers in `results/`, from which the README's tables are written; a part that
is not asked for keeps those it has. What trains and kills are the harnesses of
`tests/distribution/`, as commands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments import study
from experiments.records import built_with, made, stamp, write_json

_HERE = Path(__file__).parent
_HARNESS = study.ROOT / "tests" / "distribution"
_SIZES = (1, 2, 4)
# Replicas, and how often their run is killed.
_KILLS = ((1, 20), (2, 5))


def agreement(folder: Path) -> dict[str, Any]:
    """Largest differences to one device, by estimator and number of replicas."""
    runs = {}
    for size in _SIZES:
        output = folder / f"{size}.json"
        _run(_HARNESS / "agreement.py", f"--replicas={size}", f"--output={output}")
        runs[size] = json.loads(output.read_text())
    return compare(runs)


def compare(runs: dict[int, Any]) -> dict[str, Any]:
    """Absolute differences of losses and of final weights to those of one device."""
    rows = {}
    for name, one in runs[1].items():
        row = {"loss": one["loss"][-1]}
        for size in sorted(set(runs) - {1}):
            for part in ("loss", "weights"):
                difference = np.max(np.abs(np.subtract(one[part], runs[size][name][part])))
                row[f"{part}, {size}"] = float(difference)
        rows[name] = row
    return {"rows": rows}


def kills(folder: Path) -> dict[str, Any]:
    """Runs that are killed and restarted, on one and on two replicas."""
    rows = []
    for replicas, count in _KILLS:
        output = folder / f"{replicas}.json"
        asked = [f"--replicas={replicas}", f"--kills={count}", f"--seed={replicas}"]
        workdir = f"--workdir={folder / str(replicas)}"
        _run(_HARNESS / "kills.py", *asked, workdir, f"--output={output}")
        rows.append(json.loads(output.read_text()))
    return {"rows": rows}


def workers(folder: Path) -> dict[str, Any]:
    """Two processes with shared noise against one with the same global batches."""
    output = folder / "workers.json"
    _run(_HARNESS / "workers.py", f"--workdir={folder}", f"--output={output}")
    return json.loads(output.read_text())


def _run(*arguments: str | Path) -> None:
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, *arguments], cwd=study.ROOT, env=environ, check=True)


def table(part: str, values: dict[str, Any]) -> str:
    """One part's numbers as Markdown, and what made them."""
    if part == "agreement":
        columns = [n for n in next(iter(values["rows"].values())) if n != "loss"]
        head = ["estimator", "last loss", *(f"{c} replicas" for c in columns)]
        lines = [
            [name, f"{row['loss']:.6f}", *(f"{row[c]:.1e}" for c in columns)]
            for name, row in values["rows"].items()
        ]
    elif part == "kills":
        head = list(values["rows"][0])
        lines = [[str(row[c]) for c in head] for row in values["rows"]]
    else:
        head = ["", "one process, last report", "largest difference of two workers"]
        lines = [
            [name, f"{value:.6f}", f"{values['difference'][name]:.1e}"]
            for name, value in values["last"].items()
        ]
    return f"\n{study.markdown(head, lines, compact=True)}\n{values['about']}\n\n"


PARTS = {"agreement": agreement, "kills": kills, "workers": workers}


def main(argv: list[str] | None = None) -> int:
    """Measures the parts asked for and writes the README."""
    parser = study.study_parser(__doc__, _HERE, fast=False)
    parser.add_argument("--parts", type=study.names_of(PARTS), default=PARTS, help="default all")
    options = study.parse_options(parser, argv)
    results = options.output / "results"
    for part in () if options.report else options.parts:
        with tempfile.TemporaryDirectory() as folder:
            values = PARTS[part](Path(folder))
        now = stamp()
        results.mkdir(parents=True, exist_ok=True)
        write_json(
            results / f"{part}.json", values | {"about": f"{made([now])}, {built_with(now)}"}
        )
    held = {part: results / f"{part}.json" for part in PARTS}
    parts = {p: table(p, json.loads(path.read_text())) for p, path in held.items() if path.exists()}
    study.write_readme(_HERE / "README.md", parts, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
