"""Two workers over loopback beside one process with the same global batches.

Example:
  python tests/distribution/workers.py --workdir=runs/workers --output=workers.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from kills import ROOT, SMALL, TIMEOUT, finish, largest_difference

TWO = [
    "--gin_bindings=run.strategy = @MultiWorker()",
    "--gin_bindings=MultiWorker.shared_noise = True",
]
_SHORT = ["--gin_bindings=run.epochs = 4", "--gin_bindings=run.save_seconds = 60.0"]


def main() -> None:
    """One run of each kind; the last report of one, and the largest differences of the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    one, two = options.workdir / "one", options.workdir / "two"
    finish(one, _SHORT)
    launcher = [sys.executable, "-m", "launch.local", "--workers=2", "--start_timeout=300", "--"]
    subprocess.run(
        [*launcher, f"--workdir={two}", *SMALL, *_SHORT, *TWO],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=TIMEOUT,
        check=True,
    )
    last = json.loads((one / "metrics.jsonl").read_text().splitlines()[-1])
    names = ("loss", "nll", "kl")
    found = {
        "step": last["step"],
        "last": {name: last[name] for name in names},
        "difference": {name: largest_difference(one, two, name) for name in names},
    }
    options.output.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
