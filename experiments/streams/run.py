"""Measures steps on streamed examples and the memory of a run on them: the README's tables.

    python -m experiments.streams.run [--parts=speed,memory] [--rounds=15] [--report]

Each part leaves its numbers in `results/`, from which the tables are written.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.records import built_with, made, stamp, write_json
from experiments.speed.cases import FAST
from experiments.speed.run import MAIN_CASE
from experiments.speed.session import OURS, ROUND_SECONDS, measure
from experiments.speed.summary import Best
from experiments.study import (
    ROOT,
    markdown,
    names_of,
    parse_options,
    positive,
    study_parser,
    write_readme,
)

_HERE = Path(__file__).parent
_HARNESS = ROOT / "tests" / "data" / "larger_than_memory.py"
SLOWER, MOST_BYTES = 1.15, 2.5e9
_GB = 1e9


def speed(options: Any) -> dict[str, Any]:
    """Seconds of a step with data on the device and in a file, in turns, by round."""
    case = next(iter(FAST)) if options.fast else MAIN_CASE
    only = ("--only", "data", "--without", "")
    seconds = 0.01 if options.fast else 4 * ROUND_SECONDS
    samples, failed = measure(case, [OURS], options.rounds, options=only, round_seconds=seconds)
    if failed:
        raise RuntimeError(f"could not be measured: {failed}")
    found: dict[str, list[float]] = {}
    for sample in samples:
        found.setdefault(sample.estimator.removeprefix("data "), []).append(sample.seconds)
    return {"case": case, "seconds": found}


def memory(options: Any) -> dict[str, Any]:
    """Peak of a run's resident memory, and what it read."""
    size = 1e7 if options.fast else 6e9
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "found.json"
        sizes = [f"--train={size:.0f}", f"--test={size / 2:.0f}"]
        command = [sys.executable, str(_HARNESS), f"--folder={folder}", f"--output={output}"]
        subprocess.run([*command, *sizes], cwd=ROOT, check=True)
        return json.loads(output.read_text())


def speed_table(found: dict[str, Any]) -> str:
    """Medians and quartiles, and of the ratios within rounds."""
    resident, streamed = (
        Best("", dict(enumerate(found["seconds"][where]))) for where in ("resident", "streamed")
    )
    ratio = streamed.ratio_to(resident)
    quick = min(streamed.rounds.values()) / min(resident.rounds.values())
    verdict = "reached" if ratio.median <= SLOWER else "**not reached**"
    times = [each.time.show(1e3) for each in (resident, streamed)]
    head = ("case", "on the device, ms", "from a file, ms", "ratio in rounds", "quickest rounds")
    line = [found["case"], *times, ratio.show(), f"{quick:.2f}", verdict]
    return markdown((*head, f"≤ {SLOWER:g}"), [line], compact=True)


def memory_table(found: dict[str, Any]) -> str:
    """Sizes, and the peak beside its bound."""
    verdict = "reached" if found["peak"] <= MOST_BYTES else "**not reached**"
    sizes = [f"{found[part] / _GB:.2f}" for part in ("train", "test", "started", "trained", "peak")]
    head = ("training inputs, GB", "test inputs, GB", "before training", "after it", "peak, GB")
    line = [*sizes, verdict, f"{found['steps']:,}", f"{found['seconds']:.0f}"]
    return markdown((*head, f"≤ {MOST_BYTES / _GB:g}", "steps", "s"), [line], compact=True)


MEASURES = {"speed": speed, "memory": memory}
TABLES = {"speed": speed_table, "memory": memory_table}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures the parts asked for and writes the README."""
    parser = study_parser(__doc__, _HERE)
    parser.add_argument("--parts", type=names_of(MEASURES), default=MEASURES, help="default all")
    parser.add_argument("--rounds", type=positive, default=15, help="of speed; default 15")
    options = parse_options(parser, None if argv is None else list(argv))
    results = options.output / "results"
    results.mkdir(parents=True, exist_ok=True)
    for part in () if options.report else options.parts:
        found, now = MEASURES[part](options), stamp()
        about = f"{made([now])}, {built_with(now)}"
        write_json(results / f"{part}.json", {**found, "about": about})
    parts = {}
    for part, table in TABLES.items():
        if (path := results / f"{part}.json").exists():
            found = json.loads(path.read_text())
            parts[part] = f"\n{table(found)}\n{found['about']}\n\n"
    write_readme(_HERE / "README.md", parts, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
