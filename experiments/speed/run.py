"""Runs the benchmark: python -m experiments.speed.run [--cases=…] [--peers=…] [--rounds=…].

Every part's results are on disk before the next starts, and a part measured anew replaces its own
rows only; ratios are always between rounds of one session.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from experiments.records import replace_rows, stamp, write_text
from experiments.speed import peers as registry
from experiments.speed.cases import CASES, FAST
from experiments.speed.overhead import measure_run
from experiments.speed.report import write_report
from experiments.speed.session import OURS, ROUND_SECONDS, measure
from experiments.speed.startup import FORMS, measure_starts
from experiments.study import names_of, parse_options, positive, study_parser

_HERE = Path(__file__).parent
MAIN_CASE = "784-400-400-10"
LONG_ROUNDS = 7  # of what takes many seconds each
_PACKAGES = ("tf-keras", "jax", "numpyro", "optax", "torch", "bayesian-torch")


def main(argv: list[str] | None = None) -> int:
    """Runs the chosen parts."""
    options = parse(argv)
    results = options.output / "results"
    results.mkdir(parents=True, exist_ok=True)
    for part in () if options.report else options.parts:
        PARTS[part](results, options)
    write_report(_HERE / "README.md", options.output)
    return 0


def _steps(results: Path, options: Any) -> None:
    seconds = 0.01 if options.fast else ROUND_SECONDS
    for case in options.cases:
        load = _begin(f"{case}: steps")
        samples, failed = measure(case, options.peers, options.rounds, round_seconds=seconds)
        replace_rows(
            results / "steps.csv",
            samples,
            lambda s, case=case: (
                s.case == case and not s.estimator.startswith(("prediction", "fit"))
            ),
        )
        facts = {"rounds": options.rounds, "failed": options.absent | failed}
        _note(results, f"steps of {case}", load, facts)


def _part(part: str, known: Collection[str], seconds: float, results: Path, options: Any) -> None:
    """A part whose variants begin with its name, in rounds of that length."""
    load, rounds = _begin(f"{options.main_case}: {part}"), options.few_rounds
    peers, only = [p for p in options.peers if p in known], ("--only", part, "--without", "")
    length = min(seconds, 0.01) if options.fast else seconds
    found = measure(options.main_case, peers, rounds, options=only, round_seconds=length)
    replace_rows(results / "steps.csv", found[0], lambda s: s.estimator.startswith(part))
    _note(results, part, load, {"rounds": rounds, "failed": options.absent | found[1]})


def _starts(results: Path, options: Any) -> None:
    load = _begin("starts")
    peers = [p for p in options.peers if p in FORMS]
    starts = measure_starts(options.main_case, peers, options.few_rounds)
    replace_rows(results / "starts.csv", starts, lambda _: True)
    _note(results, "starts", load, {"rounds": options.few_rounds, "failed": options.absent})


def _run(results: Path, options: Any) -> None:
    load = _begin("whole run")
    gin_file, case, steps, reports = "mnist_mlp.gin", MAIN_CASE, 1000, 4
    if options.fast:
        gin_file, case, steps, reports = "digits.gin", "64-200-200-10", 20, 1
    measured = measure_run(case, options.few_rounds, gin_file, "lrt/XLA", steps, reports)
    intervals, parts = measured
    replace_rows(results / "run.csv", intervals, lambda _: True)
    facts = {"rounds": options.few_rounds, "failed": {}, "gin_file": gin_file, "parts": parts}
    _note(results, "run", load, facts)


PARTS: dict[str, Callable[[Path, Any], None]] = {
    "steps": _steps,
    "prediction": functools.partial(_part, "prediction", (OURS, "tfp.layers", "NumPyro"), 0.0),
    "fit": functools.partial(_part, "fit", (OURS,), 1.5),
    "starts": _starts,
    "run": _run,
}


def _begin(what: str) -> float:
    """Says so; the load of the machine."""
    print(f"{what} …", flush=True)
    return os.getloadavg()[0]


def _note(results: Path, part: str, load: float, facts: dict[str, Any]) -> None:
    """Writes down under which circumstances a part was measured."""
    path, now = results / "about.json", stamp()
    about = json.loads(path.read_text()) if path.exists() else {}
    about[part] = {
        "date": f"{now['date']} UTC",
        "revision": now["git_revision"][:12],
        "load": f"{load:.1f} before and {os.getloadavg()[0]:.1f} after",
        **facts,
    }
    # Of a peer that is absent today, the version that its rows were measured with stays.
    found = {**about.get("versions", {}), **now["versions"]}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    about |= {"versions": found, "cores": os.cpu_count()}
    write_text(path, json.dumps(about, indent=1) + "\n")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line, and what follows from it: main case, rounds, peers that are absent."""
    parser = study_parser(__doc__, _HERE)
    for name, known in (
        ("cases", {**CASES, **FAST}),
        ("peers", registry.PEERS),
        ("parts", PARTS),
    ):
        default = None if name == "cases" else list(known)
        parser.add_argument(f"--{name}", type=names_of(known), default=default, help="default all")
    parser.add_argument("--rounds", type=positive, help="of each; default 15, 2 with --fast")
    options = parse_options(parser, argv)
    known = FAST if options.fast else CASES
    options.cases = options.cases or list(known)
    if not set(options.cases) <= set(known):
        parser.error(f"--cases must be of {', '.join(known)}, got {', '.join(options.cases)}.")
    options.main_case = next(iter(FAST)) if options.fast else MAIN_CASE
    options.rounds = options.rounds or (2 if options.fast else 15)
    options.few_rounds = min(options.rounds, LONG_ROUNDS)
    peers = options.peers if OURS in options.peers else [OURS, *options.peers]
    missing = {peer: ", ".join(registry.missing(peer)) for peer in peers}
    options.absent = {peer: f"{why} not installed" for peer, why in missing.items() if why}
    options.peers = [peer for peer in peers if not missing[peer]]
    for peer, why in options.absent.items():
        print(f"{peer}: left out, {why}")
    return options


if __name__ == "__main__":
    sys.exit(main())
