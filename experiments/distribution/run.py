"""Measures agreement, kills and workers, and writes the tables of the README.

Example:
  python -m experiments.distribution.run --parts=agreement,kills,workers

Each part leaves its numbers in `results/`, from which the README's tables are written; a part that
is not asked for keeps those it has.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bnn.runs.provenance import git_revision, versions
from bnn.training import write_json, write_text
from experiments.distribution.kills import (
    ROOT,
    SMALL,
    finish,
    kill_often,
    largest_difference,
    lines,
    mirrored,
    state,
)

FOLDER = Path(__file__).parent
SIZES = (1, 2, 4)
PARTS = ("agreement", "kills", "workers")
# A start, which takes the longest of all of it, is bound by TensorFlow's own.
_TIMEOUT = 1800


def agreement(folder: Path) -> dict[str, Any]:
    """Largest differences to one device, by estimator and number of replicas."""
    runs = {}
    for size in SIZES:
        output = folder / f"{size}.json"
        command = [sys.executable, "-m", "experiments.distribution.agreement"]
        _run([*command, f"--replicas={size}", f"--output={output}"])
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
    for replicas, count in ((1, 20), (2, 5)):
        options = mirrored(replicas) if replicas > 1 else []
        whole, killed = folder / f"whole{replicas}", folder / f"killed{replicas}"
        finish(whole, options, _TIMEOUT)
        hit = kill_often(killed, count, seed=replicas, options=options, seconds=_TIMEOUT)
        same = {
            "same metrics": lines(whole) == lines(killed),
            "same state": state(whole) == state(killed),
        }
        rows.append({"replicas": replicas, **hit, **same})
    return {"rows": rows}


def workers(folder: Path) -> dict[str, Any]:
    """Two processes with shared noise against one with the same global batches."""
    short = ["--gin_bindings=run.epochs = 4", "--gin_bindings=run.save_seconds = 60.0"]
    finish(folder / "one", short, _TIMEOUT)
    two = [
        *("--gin_bindings=run.strategy = @MultiWorker()",),
        *("--gin_bindings=MultiWorker.shared_noise = True",),
    ]
    launcher = [sys.executable, "-m", "launch.local", "--workers=2", "--start_timeout=300", "--"]
    _run([*launcher, f"--workdir={folder / 'two'}", *SMALL, *short, *two])
    last = json.loads((folder / "one" / "metrics.jsonl").read_text().splitlines()[-1])
    names = ("loss", "nll", "kl")
    differences = {n: largest_difference(folder / "one", folder / "two", n) for n in names}
    return {"step": last["step"], "last": {n: last[n] for n in names}, "difference": differences}


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, cwd=ROOT, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=True)


def about() -> str:
    """Date, revision and versions of a measurement."""
    found = versions()
    return (
        f"{datetime.date.today()}, revision {git_revision()[:12]}, Python {found['python']}, "
        f"TensorFlow {found['tensorflow']}, Keras {found['keras']}"
    )


def table(part: str, values: dict[str, Any]) -> str:
    """One part's numbers as Markdown."""
    if part == "agreement":
        columns = [n for n in next(iter(values["rows"].values())) if n != "loss"]
        rows = [["estimator", "last loss", *(f"{c} replicas" for c in columns)]]
        for name, row in values["rows"].items():
            rows.append([name, f"{row['loss']:.6f}", *(f"{row[c]:.1e}" for c in columns)])
    elif part == "kills":
        columns = list(values["rows"][0])
        rows = [columns, *([str(row[c]) for c in columns] for row in values["rows"])]
    else:
        rows = [["", "one process, last report", "largest difference of two workers"]]
        for name, value in values["last"].items():
            rows.append([name, f"{value:.6f}", f"{values['difference'][name]:.1e}"])
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body, "", values["about"]])


def write_readme() -> None:
    """Puts the tables of all measured parts into the README."""
    text = (FOLDER / "README.md").read_text()
    for part in PARTS:
        path = FOLDER / "results" / f"{part}.json"
        if path.exists():
            shown = table(part, json.loads(path.read_text()))
            pattern = rf"(<!-- {part} -->\n).*?(<!-- end of {part} -->)"
            text = re.sub(pattern, lambda m: f"{m[1]}\n{shown}\n\n{m[2]}", text, flags=re.S)  # noqa: B023
    write_text(FOLDER / "README.md", text)


def main() -> None:
    """Measures the parts asked for and writes the README."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="of: " + ", ".join(PARTS))
    for part in parser.parse_args().parts.split(","):
        if part and part not in PARTS:
            parser.error(f"--parts must be of {', '.join(PARTS)}, got {part!r}.")
        if part:
            with tempfile.TemporaryDirectory() as folder:
                values = {"agreement": agreement, "kills": kills, "workers": workers}[part](
                    Path(folder)
                )
            write_json(FOLDER / "results" / f"{part}.json", values | {"about": about()})
    write_readme()


if __name__ == "__main__":
    main()
