"""Stands in for `bnn.run` in a sweep: its test metrics are a function of its bindings.

nll is `stub.rate` + `run.seed`. With `stub.fail = True` it fails, with `stub.seconds = n` it takes
so long, with `stub.killed = True` it is killed, all unless the file `allowed` lies beside the run's
folder.
"""

import argparse
import ast
import json
import os
import pathlib
import signal
import sys
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gin_file", action="append")
    parser.add_argument("--gin_bindings", action="append", default=[])
    parser.add_argument("--workdir", type=pathlib.Path)
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    values = dict(map(read, options.gin_bindings))
    options.workdir.mkdir(parents=True, exist_ok=True)
    with (options.workdir / "starts").open("a") as starts:
        starts.write(f"{sorted(os.sched_getaffinity(0))} {os.environ['WANDB_RUN_GROUP']}\n")
    allowed = (options.workdir.parent / "allowed").exists()
    time.sleep(0 if allowed else values.get("stub.seconds", 0))
    if values.get("stub.fail") and not allowed:
        print("error: told to fail\n(--traceback shows where)", file=sys.stderr)
        sys.exit(1)
    if values.get("stub.killed") and not allowed:
        print("units: nats per example", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    nll = values.get("stub.rate", 0) + values.get("run.seed", 0)
    results = {
        "test": {"nll": nll, "accuracy": 1.0},
        "seed": values.get("run.seed", 0),
        "estimator": values.get("run.estimator", ""),
        "ledger": {"long": 1},
    }
    (options.workdir / "results.json").write_text(json.dumps(results))


def read(binding):
    name, _, value = binding.partition(" = ")
    return name, value if value.startswith("@") else ast.literal_eval(value)


def stop(number, frame):
    del frame
    sys.exit(130 if number == signal.SIGINT else 42)


if __name__ == "__main__":
    main()
