"""Signals that end a run at the next step boundary."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, ClassVar

# 130 is the shell's code for Ctrl-C; 42 asks a scheduler to start the job again.
EXIT_CODES = {
    signal.SIGINT: 130,
    signal.SIGTERM: 42,
    signal.SIGUSR1: 42,
    signal.SIGHUP: 42,  # the terminal or the connection is gone
}


class InterruptedRunError(RuntimeError):
    """The run was stopped by a signal after saving its state.

    Attributes:
      exit_code: for the process.
    """

    def __init__(self, number: signal.Signals, step: int) -> None:
        self.exit_code = EXIT_CODES[number]
        super().__init__(
            f"stopped by {number.name} after step {step}; the state is saved, and the same command "
            "continues the run."
        )


class StopRequest:
    """A context in which signals set `received` instead of ending the process.

    A second Ctrl-C interrupts at once. A hang-up that is ignored (`nohup`) stays so.

    Attributes:
      ends_process: the process has nothing to do after a stopped run but to end with its exit code,
        which no further signal takes: schedulers and launchers send several. Of commands.

    Args:
      at_once: the step whose state is saved: signals raise InterruptedRunError where they arrive,
        because what is left can be done again. None: they set `received`.
    """

    ends_process: ClassVar[bool] = False

    def __init__(self, at_once: int | None = None) -> None:
        self._at_once = at_once
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        """Installs the handlers; elsewhere than in the main thread, where it cannot, none."""
        for number in EXIT_CODES:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            try:
                self._before[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Puts the handlers back, or ignores what a process that was stopped still receives."""
        stopped = self.ends_process and isinstance(error, InterruptedRunError)
        for number, handler in self._before.items():
            ignored = stopped and number != signal.SIGINT
            signal.signal(number, signal.SIG_IGN if ignored else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        if self._at_once is not None:
            raise InterruptedRunError(self.received, self._at_once)
