"""A group of workers that live and end together."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from launch.children import START_AGAIN, Signals, ending, kill, send, shell_code, spawn
from launch.cluster import listens

_TICK = 0.1  # seconds between two looks at the workers
_START_LOOK = 1.0  # seconds between two looks at their ports
_LAST_OUTPUT = 2.0  # seconds that output may still come in after the last worker has ended


class Worker:
    """One process of a group.

    Args:
      name: what the messages and the prefix of its output call it.
      command: program and arguments.
      environment: variables beside those of the launcher.
      address: the `host:port` at which it must listen to have joined the group, or None.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        address: str | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.address = address
        self.process: Any = None
        self.killed = False
        self.ended = False


class Group:
    """Starts workers, shows their output, and ends them all in bounded time once one fails.

    A worker that waits for another one inside TensorFlow does not answer SIGTERM, so what has not
    ended `grace` seconds after it was asked to is killed.

    Args:
      workers: the processes.
      signals: where the launcher's own signals arrive; they are passed on to all workers.
      grace: seconds to end in.
      start_timeout: seconds in which each worker with an address must listen there; 0: forever.
      prefix: show each line of output behind the name of its worker; otherwise the workers write
        where the launcher does.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        signals: Signals,
        *,
        grace: float,
        start_timeout: float,
        prefix: bool = True,
    ) -> None:
        self._workers = list(workers)
        self._signals = signals
        self._grace = grace
        self._start_timeout = start_timeout
        self._output = _Output() if prefix else None
        self._deadline: float | None = None
        self._joined: set[str] = set()
        self._code: int | None = None

    def run(self) -> int:
        """Runs the group to its end; 0, or the exit code of the worker that failed first.

        After SIGTERM or SIGUSR1 the code is 42, start again, unless all workers were done; after
        Ctrl-C it is 130; a worker that never joined gives 1.
        """
        try:
            self._start()
            while self._running():
                self._wait()
                self._pass_signals_on()
                self._look_for_ended()
                self._look_for_missing()
                self._enforce_deadline()
            if self._output is not None:
                self._output.drain(time.monotonic() + _LAST_OUTPUT)
        finally:
            for worker in self._workers:
                if worker.process is not None and worker.process.poll() is None:
                    kill(worker.process)
                    worker.process.wait()
        return self._code or 0

    def _start(self) -> None:
        pipe = None if self._output is None else subprocess.PIPE
        for worker in self._workers:
            worker.process = spawn(worker.command, worker.environment, stdout=pipe, stderr=pipe)
            if self._output is not None:
                self._output.add(worker.name, worker.process.stdout, sys.stdout)
                self._output.add(worker.name, worker.process.stderr, sys.stderr)
        self._started = self._looked = time.monotonic()

    def _wait(self) -> None:
        if self._output is None:
            time.sleep(_TICK)
        else:
            self._output.pump(_TICK)

    def _pass_signals_on(self) -> None:
        for number in self._signals.take():
            say(f"{number.name}: passed on to {self._names(self._running())}")
            for worker in self._running():
                send(worker.process, number)
            self._set_deadline()
        if self._signals.interrupts > 1:
            for worker in self._running():
                self._kill(worker)

    def _look_for_ended(self) -> None:
        ended = [worker for worker in self._running() if worker.process.poll() is not None]
        for worker in ended:
            worker.ended = True
        # Of those that end together, the crash comes before what only followed from it.
        for worker in sorted(ended, key=_gravity):
            code = worker.process.returncode
            if code == 0:
                continue
            if not worker.killed:
                say(f"{worker.name} {ending(code)}")
            self._end_with(shell_code(code))

    def _end_with(self, code: int) -> None:
        """Fixes the group's exit code, and asks those that still run to end."""
        if self._code is not None:
            return
        if self._signals.stop is not None:
            code = 130 if self._signals.stop == signal.SIGINT else START_AGAIN
        self._code = code
        rest = [worker for worker in self._running() if not worker.killed]
        if rest and self._signals.stop is None:
            say(f"ending {self._names(rest)}")
            for other in rest:
                send(other.process, signal.SIGTERM)
        self._set_deadline()

    def _look_for_missing(self) -> None:
        now = time.monotonic()
        if self._deadline is not None or not self._start_timeout or now < self._looked:
            return
        self._looked = now + _START_LOOK
        missing = []
        for worker in self._running():
            if worker.address is None or worker.name in self._joined:
                continue
            if listens(worker.address):
                self._joined.add(worker.name)
            else:
                missing.append(worker)
        if missing and now > self._started + self._start_timeout:
            for worker in missing:
                say(
                    f"{worker.name} does not listen at {worker.address} after "
                    f"{self._start_timeout:g} s: it never joined the group, and is killed. "
                    "Workers need run.strategy = @MultiWorker(); a slow start, --start_timeout."
                )
                self._kill(worker)
            self._end_with(1)

    def _enforce_deadline(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        for worker in self._running():
            if not worker.killed:
                say(f"{worker.name} did not end in {self._grace:g} s and is killed")
                self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        worker.killed = True
        kill(worker.process)

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._grace

    def _running(self) -> list[Worker]:
        # Not by `returncode`: to send a process a signal may already find it ended.
        return [worker for worker in self._workers if not worker.ended]

    @staticmethod
    def _names(workers: Sequence[Worker]) -> str:
        return ", ".join(worker.name for worker in workers) or "no one"


def say(text: str) -> None:
    """Tells the user something about the group itself."""
    print(f"launch: {text}", file=sys.stderr, flush=True)


def _gravity(worker: Worker) -> int:
    code = worker.process.returncode
    return 0 if code < 0 else 2 if code == START_AGAIN else 1


class _Output:
    """Whole lines from many pipes, each behind the name of its worker."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._rest: dict[int, bytes] = {}

    def add(self, name: str, pipe: Any, target: Any) -> None:
        """Shows what comes out of `pipe` on `target`."""
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, selectors.EVENT_READ, (name, target))

    def pump(self, timeout: float) -> None:
        """Shows what has come in, waiting for it at most `timeout` seconds."""
        if not self._selector.get_map():
            time.sleep(timeout)
        for key, _ in self._selector.select(timeout):
            self._read(key)

    def drain(self, deadline: float) -> None:
        """Shows what is left until every pipe is closed, or the deadline has passed."""
        while self._selector.get_map() and time.monotonic() < deadline:
            self.pump(_TICK)
        for key in list(self._selector.get_map().values()):
            self._close(key)

    def _read(self, key: selectors.SelectorKey) -> None:
        try:
            data = os.read(key.fd, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._close(key)
            return
        *lines, rest = (self._rest.pop(key.fd, b"") + data).split(b"\n")
        self._rest[key.fd] = rest
        self._show(key, lines)

    def _close(self, key: selectors.SelectorKey) -> None:
        if rest := self._rest.pop(key.fd, b""):
            self._show(key, [rest])
        self._selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]

    def _show(self, key: selectors.SelectorKey, lines: Sequence[bytes]) -> None:
        name, target = key.data
        for line in lines:
            target.write(f"[{name}] {line.decode(errors='replace')}\n")
        target.flush()
