"""The training loop: call by call until the plan's end, a signal or a non-finite loss."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from bnn.training.archive import Archive
from bnn.training.checkpoints import Checkpoints
from bnn.training.interrupt import InterruptedRunError, StopRequest
from bnn.training.nonfinite import is_finite, locate, snapshot
from bnn.training.pace import Pace
from bnn.training.plan import Plan
from bnn.training.steps import History, TrainingSteps
from bnn.training.workers import Workers

# (step, values since the last report) -> what the best checkpoint is chosen by, the lower the
# better, or None
Report = Callable[[int, dict[str, float]], float | None]
_SECONDS_BETWEEN_SAVES = 60.0


class Averages:
    """Means of loss and some metrics since the last report; part of the state: resuming is exact.

    Args:
      names: of the metrics; of the others a report has the latest value.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self.variable = tf.Variable(tf.zeros([len(self.names) + 2], tf.float64), trainable=False)

    def add(self, history: History) -> None:
        """Adds the steps one after the other: the sum does not depend on how they were called."""
        metrics = [history.metrics[name] for name in self.names]
        columns = np.stack([history.loss, *metrics, np.ones_like(history.loss)]).T
        rows = np.concatenate([self.variable.numpy()[np.newaxis], columns.astype(np.float64)])
        self.variable.assign(np.add.accumulate(rows)[-1])

    def take(self) -> dict[str, float]:
        """The means, and a fresh start."""
        *sums, count = self.variable.numpy()
        self.variable.assign(tf.zeros_like(self.variable))
        return {n: float(s / count) for n, s in zip(("loss", *self.names), sums, strict=True)}


class _Saver:
    """Saves about once in so many seconds, on the chief only."""

    def __init__(self, checkpoints: Checkpoints, workers: Workers, seconds: float) -> None:
        self._checkpoints, self._writes, self._seconds = checkpoints, workers.is_chief, seconds
        self._last = time.monotonic()
        self._saved: int | None = None

    def save(self, step: int) -> None:
        if self._writes and step != self._saved:
            self._checkpoints.save(step)
        self._saved, self._last = step, time.monotonic()

    def save_if_due(self, step: int, ended: bool) -> None:
        if ended or time.monotonic() - self._last > self._seconds:
            self.save(step)


def fit(
    steps: TrainingSteps,
    plan: Plan,
    *,
    state: Mapping[str, Sequence[keras.Variable]],
    trained: Mapping[str, keras.Variable],
    checkpoints: Checkpoints,
    averages: Averages,
    first_step: int,
    report: Report,
    workers: Workers | None = None,
    save_seconds: float = _SECONDS_BETWEEN_SAVES,
    archive: Archive | None = None,
) -> None:
    """Trains from `first_step` to the end of the plan.

    Between two calls of about a second all workers agree on whether to stop, and on the length of
    the next call.

    Args:
      steps: the compiled steps.
      plan: total and report steps.
      state: all variables a step changes, by part.
      trained: the trained variables by a name that says their site.
      checkpoints: saved every `save_seconds`, at the end and when the run stops early, with the
        best state since the last time, that is the one with the lowest score of its report.
      averages: the running means, part of the checkpoints.
      first_step: 0, or the step of the restored checkpoint.
      report: called after every report step with the means since the last one and the latest of
        the other metrics.
      workers: the processes of the run; this one where None.
      save_seconds: between two checkpoints.
      archive: notes values after some steps.

    Raises:
      InterruptedRunError: after a signal to any worker; the state is saved.
      NonFiniteLossError: the state before the bad step is saved.
    """
    workers = workers if workers is not None else Workers()
    variables = [v for part in state.values() for v in part]
    saver = _Saver(checkpoints, workers, save_seconds)
    pace = Pace(steps.steps_per_call)
    step = first_step
    report_step = plan.next_report(step)
    with StopRequest() as stop:
        while report_step is not None:
            end = report_step if archive is None else min(report_step, archive.next_after(step))
            stopped, count = _agree(workers, stop, min(pace.count, end - step))
            if stopped is not None:
                saver.save(step)
                raise InterruptedRunError(stopped, step)
            before, started = snapshot(variables), time.monotonic()
            history = steps(step, count)
            if not is_finite(history, list(trained.values())):
                error = locate(steps, variables, before, trained, step, count)
                saver.save(error.step)
                raise error
            pace.took(count, time.monotonic() - started)
            averages.add(history)
            step += count
            if archive is not None:
                archive.note(step)
            if step == report_step:
                report_step = plan.next_report(step)
                score = report(step, _values(averages.take(), history))
                if score is not None and workers.is_chief:
                    checkpoints.offer(step, score)
            saver.save_if_due(step, ended=report_step is None)


def _agree(workers: Workers, stop: StopRequest, count: int) -> tuple[signal.Signals | None, int]:
    """The signal that stops all workers, if any has one, and the chief's length of the call."""
    mine = [0, 0, count if workers.is_chief else 0]
    if stop.received is not None:
        mine[stop.received == signal.SIGINT] = 1
    for_scheduler, by_hand, count = workers.sum(mine)
    if for_scheduler:
        own = stop.received if stop.received != signal.SIGINT else None
        return own or signal.SIGTERM, count
    return signal.SIGINT if by_hand else None, count


def _values(means: dict[str, float], history: History) -> dict[str, float]:
    """Loss and metrics of a report, in the method's own order."""
    latest = {name: float(values[-1]) for name, values in history.metrics.items()}
    return {"loss": means["loss"]} | latest | means
