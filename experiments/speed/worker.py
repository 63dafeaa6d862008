"""One process of one peer and one case, which runs what it is told and replies with seconds.

On standard output: a line of JSON when it is ready, then one for each line read: a
variant, a tab and k.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from typing import Any, TextIO

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["OMP_NUM_THREADS"] = "2"
# PyTorch's threads wait for each other in busy loops by default; on a machine that does anything
# else besides, that makes its steps a hundred times slower.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def main() -> None:
    """Builds the variants, then serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("case")
    parser.add_argument("--only", default="", help="variants, with commas, that start with these")
    parser.add_argument(
        "--without", default="prediction,data,fit", help="and do not start with any of these"
    )
    arguments = parser.parse_args()
    end_with_parent()
    # Whatever a library prints must not be taken for a reply.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    from experiments.speed import peers
    from experiments.speed.cases import CASES, FAST

    found = peers.load(arguments.peer).variants({**CASES, **FAST}[arguments.case])
    wanted = tuple(arguments.only.split(","))
    builders = {
        name: build
        for name, build in found.items()
        if name.startswith(wanted)
        and not (arguments.without and name.startswith(tuple(arguments.without.split(","))))
    }
    runs: dict[str, Any] = {}
    failed, compile_seconds = {}, {}
    for name, build in builders.items():
        start = time.perf_counter()
        try:
            runs[name] = build()
            runs[name](1)
        except Exception as error:  # a form that a library cannot do is a result, too
            traceback.print_exc()
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            runs.pop(name, None)
        compile_seconds[name] = time.perf_counter() - start
    say(replies, {"variants": list(runs), "failed": failed, "compile": compile_seconds})
    for line in sys.stdin:
        name, count = line.rstrip("\n").split("\t")
        start, processor = time.perf_counter(), time.process_time()
        runs[name](int(count))
        reply = {"seconds": time.perf_counter() - start, "peak": peak_bytes()}
        say(replies, reply | {"processor": time.process_time() - processor})


def end_with_parent() -> None:
    """Has Linux kill this process, which may be stopped, when the session ends in any way."""
    set_parent_death_signal = 1
    ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGKILL)


def say(replies: TextIO, message: dict[str, Any]) -> None:
    """One reply, at once."""
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def peak_bytes() -> int:
    """The process's peak resident memory so far."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
