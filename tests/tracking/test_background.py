import threading
import time

import numpy as np
import pytest

from bnn.tracking import Jsonl, Tracker, Trackers, read_jsonl
from bnn.tracking.background import Background


class Slow(Tracker):
    """Records the calls it has done, each only when `gate` is open."""

    def __init__(self, gate=None, patience=30.0):
        self.gate, self.calls, self.threads = gate, [], set()
        self._patience = patience

    @property
    def patience(self):
        return self._patience

    def _do(self, *call):
        if self.gate is not None:
            self.gate.wait()
        self.calls.append(call)
        self.threads.add(threading.current_thread())

    def start(self, run):
        self._do("start", run)

    def log(self, step, values):
        self._do("log", step, values)

    def figure(self, name, path, step):
        self._do("figure", name, path, step)

    def artifact(self, name, files):
        self._do("artifact", name, files)

    def finish(self, results, failed=False):
        self._do("finish", results, failed)


def use(trackers, run):
    trackers.start(run)
    for step in (1, 2):
        trackers.log(step, {"loss": 1.0 / step})
    trackers.figure("curve", run.workdir, 2)
    trackers.artifact("checkpoint", {"a": run.workdir})


def test_the_run_waits_for_nothing_but_the_end(run_info):
    gate = threading.Event()
    run, slow = run_info(), Slow(gate)
    trackers = Trackers([slow, Jsonl()])
    use(trackers, run)
    assert slow.calls == []
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 2
    gate.set()
    trackers.finish({"nll": 1.0}, failed=True)
    assert slow.calls == [
        ("start", run),
        ("log", 1, {"loss": 1.0}),
        ("log", 2, {"loss": 0.5}),
        ("figure", "curve", run.workdir, 2),
        ("artifact", "checkpoint", {"a": run.workdir}),
        ("finish", {"nll": 1.0}, True),
    ]
    (thread,) = slow.threads
    assert thread is not threading.current_thread()
    assert thread.daemon  # it must not keep the process alive


def test_the_end_waits_no_longer_than_the_patience(run_info, caplog):
    gate = threading.Event()
    trackers = Trackers([Slow(gate, patience=0.1)])
    use(trackers, run_info())
    begin = time.monotonic()
    trackers.finish({})
    assert 0.1 <= time.monotonic() - begin < 20
    assert "was not done 0.1 s after the end of the run" in caplog.text
    gate.set()


def test_values_are_those_of_the_call(run_info):
    gate, value = threading.Event(), np.array(1.0)
    slow = Slow(gate)
    tracker = Background(slow, 30)
    tracker.start(run_info())
    tracker.log(1, {"loss": value})
    value[...] = 2.0
    gate.set()
    tracker.finish({})
    assert slow.calls[1] == ("log", 1, {"loss": 1.0})


def test_finishing_what_was_never_started_does_not_wait():
    begin = time.monotonic()
    Background(Slow(), 30).finish({})
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("fails", ["start", "log"])
def test_failures_are_reported_once_and_stop_nothing(run_info, caplog, fails):
    class Failing(Slow):
        def _do(self, name, *args):
            super()._do(name, *args)
            if name == fails:
                raise OSError("no space")

    failing = Failing()
    trackers = Trackers([failing])
    use(trackers, run_info())
    trackers.finish({})
    (message,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert message.startswith(f"Failing.{fails} failed (OSError: no space)")
    assert len(failing.calls) == (1 if fails == "start" else 6)
