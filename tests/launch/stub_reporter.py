"""Stands in for `bnn.run` in a search: its validation NLL falls to (ln x − ln 0.1)² + 1.

x is `stub.x`. It reports ten times, `stub.pause` seconds apart, goes on after the step that it had
reached, and exits with 42 on SIGTERM. With `stub.wait = True` it waits after the third report for a
file `allowed` beside its folder. With `stub.valid = False` it has no validation part.
"""

import argparse
import json
import math
import pathlib
import signal
import sys
import time

from tests.launch.stub_trainer import read, stop


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gin_file", action="append")
    parser.add_argument("--gin_bindings", action="append", default=[])
    parser.add_argument("--workdir", type=pathlib.Path)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    values = dict(map(read, options.gin_bindings))
    if values.get("stub.fail"):
        print("error: told to fail", file=sys.stderr)
        sys.exit(1)
    options.workdir.mkdir(parents=True, exist_ok=True)
    (options.workdir / "config.gin").write_text("")
    path = options.workdir / "metrics.jsonl"
    done = len(path.read_text().splitlines()) if path.exists() else 0
    with (options.workdir / "starts").open("a") as starts:
        starts.write(f"{done}\n")
    level = (math.log(values["stub.x"]) - math.log(0.1)) ** 2
    for step in range(done, 10):
        record = {"step": step, "loss": 1.0}
        if values.get("stub.valid", True):
            record["valid_nll"] = level + 1 + 1 / (1 + step)
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        time.sleep(values.get("stub.pause", 0))
        waits = values.get("stub.wait") and step == 2
        while waits and not (options.workdir.parent / "allowed").exists():
            time.sleep(0.05)
    (options.workdir / "results.json").write_text(json.dumps({"test": {"nll": level}}))


if __name__ == "__main__":
    main()
