"""Child processes that never outlive their launcher, and the signals that it passes on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

# What a run exits with after a signal made it save its state: start it again.
START_AGAIN = 42
_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: Any = None,
    stderr: Any = None,
    cores: Sequence[int] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a child in a process group of its own, so that Ctrl-C reaches only the launcher.

    Linux kills the child when the launcher's process ends without ending it: an orphan would hold
    its run's folder, and a run loses nothing by SIGKILL that its checkpoints do not have.

    Args:
      command: program and arguments.
      environment: variables beside those of this process.
      stdout: as in `subprocess.Popen`.
      stderr: as in `subprocess.Popen`.
      cores: the processor cores that the child may use; all where None.
    """
    parent = os.getpid()

    def prepare() -> None:  # in the child, before the program starts
        if cores is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=prepare,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a child and everything that it started, at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def send(process: subprocess.Popen[bytes], number: int) -> None:
    """Sends a signal to the child alone; its own children may not know what to do with it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def shell_code(returncode: int) -> int:
    """The exit code by which a shell reports `Popen.returncode`: 128 + n for signal n."""
    return 128 - returncode if returncode < 0 else returncode


def ending(returncode: int) -> str:
    """How a process ended, in words."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


class Signals:
    """A context that collects the signals which ask to stop, for the launcher to pass on.

    Attributes:
      stop: the first signal received, or None. A closed terminal (SIGHUP) counts as SIGTERM.
      interrupts: how often Ctrl-C was pressed.
    """

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

    def __init__(self) -> None:
        self.stop: signal.Signals | None = None
        self.interrupts = 0
        self._pending: list[signal.Signals] = []
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        """Installs the handlers."""
        for number in self._NUMBERS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        """Puts the handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self) -> list[signal.Signals]:
        """The signals received since the last call."""
        taken, self._pending = self._pending, []
        return taken

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        received = signal.SIGTERM if number == signal.SIGHUP else signal.Signals(number)
        self.interrupts += received == signal.SIGINT
        self.stop = self.stop or received
        self._pending.append(received)
