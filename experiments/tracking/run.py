"""Measures what tracking costs a run, and that nothing is lost, in all states of the network.

    python -m experiments.tracking.run [--repeats=5] [--root=runs/tracking] [--fast]

Runs that have been made are not repeated; the README's table is of all of them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from experiments.records import write_json
from experiments.study import ROOT, parse_options, positive, study_parser, write_readme
from experiments.tracking.arms import ARMS, run_arm
from experiments.tracking.table import table

_HERE = Path(__file__).parent


def main(argv: list[str] | None = None) -> int:
    """Makes the runs that are missing, one arm after the other in every round, and the table."""
    parser = study_parser(__doc__, _HERE, ROOT / "runs" / "tracking")
    parser.add_argument("--repeats", type=positive, default=5, help="rounds over all arms")
    parser.add_argument("--seconds", type=float, help="start no run after so many seconds")
    options = parse_options(parser, argv)
    epochs, report_every, repeats = (2, 1, 1) if options.fast else (150, 1.5, options.repeats)
    begin = time.monotonic()
    # Each round starts with another arm: no arm is always the first after a pause.
    order = [
        (arm, repeat)
        for repeat in range(repeats)
        for arm in (*ARMS[repeat % len(ARMS) :], *ARMS[: repeat % len(ARMS)])
    ]
    for arm, repeat in order:
        folder = options.root / f"{arm.name}-{repeat}"
        if options.report or (folder / "cost.json").exists():
            continue
        if options.seconds is not None and time.monotonic() - begin > options.seconds:
            print(f"{folder.name}: not made, the seconds are over", flush=True)
            continue
        cost = run_arm(arm, folder, epochs, report_every)
        write_json(folder / "cost.json", vars(cost))
        results = json.loads((folder / "results.json").read_text())
        print(f"{folder.name}: {results['seconds']['train']:.1f} s of training", flush=True)
    if not any(options.root.glob("*/cost.json")):
        print(f"no run below {options.root} has ended; leave --report out.", file=sys.stderr)
        return 1
    write_readme(_HERE / "README.md", {"results": table(options.root)}, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
