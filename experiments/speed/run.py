"""Runs the benchmark: python -m experiments.speed.run [--cases=…] [--peers=…] [--rounds=…].

Every part's results are on disk before the next starts, and a part measured anew replaces its own
rows only; ratios are always between rounds of one session.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from experiments.speed import peers as registry
from experiments.speed.cases import CASES, FAST
from experiments.speed.overhead import measure_run
from experiments.speed.report import write_report
from experiments.speed.results import note, replace_rows
from experiments.speed.session import OURS, ROUND_SECONDS, measure
from experiments.speed.startup import FORMS, measure_starts

HERE = Path(__file__).parent
PARTS = ("steps", "prediction", "starts", "run")
MAIN_CASE = "784-400-400-10"
LONG_ROUNDS = 7  # of what takes many seconds each
PREDICTING = ("bnn", "tfp.layers", "NumPyro")


def main() -> None:
    """Runs the chosen parts."""
    arguments = parse()
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    missing = {p: why for p in arguments.peers if (why := registry.missing(p))}
    for peer, packages in missing.items():
        print(f"{peer}: left out, {', '.join(packages)} not installed")
    peers = [peer for peer in arguments.peers if peer not in missing]
    absent = {p: f"{', '.join(packages)} not installed" for p, packages in missing.items()}
    if "steps" in arguments.parts:
        for case in arguments.cases:
            _steps(folder, case, peers, arguments, absent)
    main_case = next(iter(FAST)) if arguments.fast else MAIN_CASE
    if "prediction" in arguments.parts:
        some = [p for p in peers if p in PREDICTING]
        _prediction(folder, main_case, some, arguments, absent)
    if "starts" in arguments.parts:
        load = os.getloadavg()[0]
        some = [p for p in peers if p in FORMS]
        starts = measure_starts(main_case, some, min(arguments.rounds, LONG_ROUNDS))
        replace_rows(folder / "starts.csv", starts, lambda _: True)
        _note(folder, "starts", arguments, load, absent)
    if "run" in arguments.parts:
        _run(folder, arguments)
    readme = HERE / "README.md"
    write_report(folder, readme if folder == HERE / "results" else None)


def _steps(
    folder: Path, case: str, peers: Sequence[str], arguments: Any, absent: dict[str, str]
) -> None:
    print(f"{case}: steps …", flush=True)
    load = os.getloadavg()[0]
    seconds = 0.01 if arguments.fast else ROUND_SECONDS
    samples, failed = measure(case, peers, arguments.rounds, round_seconds=seconds)
    replace_rows(
        folder / "steps.csv", samples, lambda s: s.case == case and s.estimator != "prediction"
    )
    _note(folder, f"steps of {case}", arguments, load, absent | failed)


def _prediction(
    folder: Path, case: str, peers: Sequence[str], arguments: Any, absent: dict[str, str]
) -> None:
    print(f"{case}: prediction …", flush=True)
    load = os.getloadavg()[0]
    options = ("--only", "prediction", "--without", "")
    rounds = min(arguments.rounds, LONG_ROUNDS)
    samples, failed = measure(case, peers, rounds, options=options, round_seconds=0.0)
    replace_rows(folder / "steps.csv", samples, lambda s: s.estimator == "prediction")
    _note(folder, "prediction", arguments, load, absent | failed)


def _run(folder: Path, arguments: Any) -> None:
    print("whole run …", flush=True)
    rounds = min(arguments.rounds, LONG_ROUNDS)
    load = os.getloadavg()[0]
    if arguments.fast:
        gin_file, case, steps, reports = "digits.gin", "64-200-200-10", 20, 1
    else:
        gin_file, case, steps, reports = "mnist_mlp.gin", MAIN_CASE, 1000, 4
    intervals, parts = measure_run(case, rounds, gin_file, "lrt/XLA", steps, reports)
    replace_rows(folder / "run.csv", intervals, lambda _: True)
    _note(folder, "run", arguments, load, {}, gin_file=gin_file, parts=parts)


def _note(
    folder: Path, part: str, arguments: Any, load: float, failed: dict[str, str], **facts: Any
) -> None:
    loads = f"{load:.1f} before and {os.getloadavg()[0]:.1f} after"
    rounds = arguments.rounds if part.startswith("steps") else min(arguments.rounds, LONG_ROUNDS)
    facts |= {"rounds": rounds, "load": loads, "failed": failed}
    note(folder / "about.json", part, facts)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=_names({**CASES, **FAST}), help=f"of {', '.join(CASES)}")
    parser.add_argument(
        "--peers",
        type=_names(registry.PEERS),
        default=list(registry.PEERS),
        help=f"of {', '.join(registry.PEERS)}; default all",
    )
    parser.add_argument("--parts", type=_names(PARTS), default=list(PARTS), help="default all")
    parser.add_argument("--rounds", type=int, help="of each; default 15, 2 with --fast")
    parser.add_argument("--fast", action="store_true", help="tiny networks, in seconds, for tests")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder of results")
    arguments = parser.parse_args()
    if arguments.fast and arguments.output == HERE / "results":
        parser.error("--fast needs --output: its numbers must not replace the study's.")
    known = FAST if arguments.fast else CASES
    arguments.cases = arguments.cases or list(known)
    if not set(arguments.cases) <= set(known):
        parser.error(f"--cases must be of {', '.join(known)}, got {', '.join(arguments.cases)}.")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {arguments.rounds}.")
    arguments.rounds = arguments.rounds or (2 if arguments.fast else 15)
    if OURS not in arguments.peers:
        arguments.peers = [OURS, *arguments.peers]
    return arguments


def _names(known: Any) -> Any:
    def convert(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"must be names with commas of {', '.join(known)}, got {name!r}"
                )
        return names

    return convert


if __name__ == "__main__":
    main()
