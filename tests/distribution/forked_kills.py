"""Kills a run a hundred times, a third of them just before a file operation, and lets it end.

Example:
  python tests/distribution/forked_kills.py --kills=100 --workdir=runs/kills --output=kills.json

Every start is a process forked from this one, which has imported everything and started nothing of
TensorFlow: as the command line, without its seconds of imports. Two kinds of moments: a time after
the run's first report, and the number of a file operation before which the process kills itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from kills import ROOT, SMALL, lines, state

# 1,437 examples in batches of 48: 7 or 8 steps and two saves between two reports. 600 reports, of
# which a start that is killed leaves one to three: so many that a quick machine ends no run before
# it was killed often enough.
_SHORT = {"run.epochs": "150", "run.report_every": "0.25", "run.steps_per_call": "4"}
OPTIONS = [*SMALL, *(f"--gin_bindings={name} = {value}" for name, value in _SHORT.items())]
# A start has about ten of them, a save five to eight.
MOST_OPERATIONS = 40
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


def kill_before(operation: int, folder: Path) -> None:
    """Has this process kill itself before its so-manyth file operation in a folder."""
    import tensorflow as tf

    count = 0

    def operate() -> None:
        nonlocal count
        count += 1
        if count == operation:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple) -> None:
        written = event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o3
        if (written or event in _CHANGES) and str(arguments[0]).startswith(str(folder)):
            operate()

    def write(self, path, *args, **kwargs):
        operate()  # TensorFlow writes by itself, seen by no hook
        written = whole(self, path, *args, **kwargs)
        operate()
        return written

    whole = tf.train.Checkpoint.write
    tf.train.Checkpoint.write = write
    sys.addaudithook(hook)


def start(workdir: Path, operation: int | None = None) -> tuple[int, int]:
    """Forks a process of the run; its number, and the end of the pipe that has its output."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    code = 1
    try:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(reader)
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
        if operation is not None:
            kill_before(operation, workdir)
        from absl import flags

        import bnn.run

        code = bnn.run.main(flags.FLAGS(["bnn.run", f"--workdir={workdir}", *OPTIONS]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def end(process: int, reader: int) -> tuple[int, str]:
    """Waits for a process; its exit code, negative for a signal, and the rest of its output."""
    with open(reader, errors="replace") as output:
        text = output.read()
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), text


def first_report(reader: int) -> str:
    """The output up to the first report's line, or up to its end."""
    text = b""
    while b"\nstep " not in b"\n" + text or not text.endswith(b"\n"):
        byte = os.read(reader, 1)
        if not byte:
            break
        text += byte
    return text.decode(errors="replace")


def kill_often(workdir: Path, kills: int, seed: int) -> Counter:
    """Kills so many processes; what the kills hit."""
    moments, hit = random.Random(seed), Counter()
    for number in range(4 * kills):
        by_operation = number % 3 == 0
        operation = moments.randint(1, MOST_OPERATIONS) if by_operation else None
        process, reader = start(workdir, operation)
        text = ""
        if not by_operation:
            if moments.random() < 0.8:
                text = first_report(reader)
            else:
                time.sleep(moments.uniform(0, 2))
            time.sleep(moments.uniform(0, 0.5))
            os.kill(process, signal.SIGKILL)
        code, rest = end(process, reader)
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"exit code {code}:\n{text}{rest}")
        hit["kills"] += code < 0
        hit["before a file operation"] += code < 0 and by_operation
        hit["resumed"] += "resumed from step" in text + rest
        if hit["kills"] == kills or (workdir / "results.json").exists():
            break
    return hit


def main() -> None:
    """One undisturbed run and one that is killed, compared."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from bnn import experiment, run  # noqa: F401  (imported once, here)

    whole, killed = chosen.workdir / "whole", chosen.workdir / "killed"
    code, text = end(*start(whole))
    assert code == 0, text
    hit = kill_often(killed, chosen.kills, chosen.seed)
    code, text = end(*start(killed))
    assert code == 0, text
    results = [json.loads((one / "results.json").read_text()) for one in (whole, killed)]
    found = {
        **hit,
        "reports": len(lines(whole)),
        "same metrics": lines(whole) == lines(killed),
        "same state": state(whole) == state(killed),
        "same results": all(results[0][n] == results[1][n] for n in ("test", "kl", "steps")),
        "stale files": [p.name for p in killed.rglob("*") if p.name.endswith((".tmp", "_temp"))],
    }
    chosen.output.write_text(json.dumps(found))
    print(found)


if __name__ == "__main__":
    main()
