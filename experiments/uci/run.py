"""Runs the study: python -m experiments.uci.run [--sets=yacht,concrete] [--fast].

Every set is trained with every candidate, all splits in one computation; what has ended is in
--root and is not repeated, so that the same command continues a stopped run. Then the choice, the
tables and the figure are made from what has ended.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from experiments.study import ROOT, apart, parse_options, run_all, study_parser
from experiments.uci.candidates import CANDIDATES, FAST, FULL
from experiments.uci.results import write_results
from experiments.uci.units import Unit, run_unit

_HERE = Path(__file__).parent
SETS = ("bostonHousing", "concrete", "power-plant", "wine-quality-red", "yacht")


def main(argv: list[str] | None = None) -> int:
    """Runs what is missing, then writes the results."""
    options = parse(argv)
    candidates = CANDIDATES[::3] if options.fast else CANDIDATES
    units = [
        Unit(name, candidate, FAST if options.fast else FULL, options.root, options.data_dir)
        for name in options.sets
        for candidate in candidates
    ]
    missing = [unit for unit in units if unit.results() is None]
    print(f"{len(units) - len(missing)} of {len(units)} units are done in {options.root}")
    if missing and not options.report:
        start = time.perf_counter()
        # A process per unit: one that does several keeps what TensorFlow compiled for each.
        call = run_unit if options.fast else apart(run_unit)
        run_all(call, missing, 1 if options.fast else options.workers, lambda _, line: line)
        print(f"{time.perf_counter() - start:.0f} s with {options.workers} processes")
    write_results(options.root, options.output, _HERE / "README.md")
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = study_parser(__doc__, _HERE, ROOT / "runs" / "uci")
    parser.add_argument(
        "--sets",
        type=lambda text: [name for name in text.split(",") if name],
        default=list(SETS),
        help="folders of sets in the standard layout, with commas; default " + ",".join(SETS),
    )
    options = parse_options(parser, argv)
    if not options.sets:
        parser.error("--sets must name at least one set, such as --sets=yacht.")
    return options


if __name__ == "__main__":
    sys.exit(main())
