"""Measures what tracking costs a run, and that nothing is lost, in all states of the network.

    python -m experiments.tracking.run [--repeats=5] [--root=runs/tracking] [--fast]

Runs that have been made are not repeated; the README's table is of all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bnn.training import write_json, write_text
from experiments.tracking.arms import ARMS, ROOT, run_arm
from experiments.tracking.table import table

_README = Path(__file__).parent / "README.md"
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"


def main(argv: list[str] | None = None) -> int:
    """Makes the runs that are missing, one arm after the other in every round, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds over all arms")
    parser.add_argument("--root", type=Path, default=ROOT / "runs" / "tracking")
    parser.add_argument("--seconds", type=float, help="start no run after so many seconds")
    parser.add_argument("--fast", action="store_true", help="one short round, README untouched")
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {options.repeats}.")
    epochs, report_every, repeats = (2, 1, 1) if options.fast else (150, 1.5, options.repeats)
    root, begin = options.root.resolve(), time.monotonic()
    # Each round starts with another arm: no arm is always the first after a pause.
    order = [
        (arm, repeat)
        for repeat in range(repeats)
        for arm in (*ARMS[repeat % len(ARMS) :], *ARMS[: repeat % len(ARMS)])
    ]
    for arm, repeat in order:
        folder = root / f"{arm.name}-{repeat}"
        if (folder / "cost.json").exists():
            continue
        if options.seconds is not None and time.monotonic() - begin > options.seconds:
            print(f"{folder.name}: not made, the seconds are over", flush=True)
            continue
        cost = run_arm(arm, folder, epochs, report_every)
        write_json(folder / "cost.json", vars(cost))
        results = json.loads((folder / "results.json").read_text())
        print(f"{folder.name}: {results['seconds']['train']:.1f} s of training", flush=True)
    text = table(root)
    if options.fast:
        print(text)
    else:
        before, _, rest = _README.read_text().partition(_BEGIN)
        write_text(_README, f"{before}{_BEGIN}\n{text}{_END}{rest.partition(_END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
