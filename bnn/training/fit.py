"""The training loop: call by call until the plan's end, a signal or a non-finite loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from bnn.training.checkpoints import Checkpoints
from bnn.training.interrupt import InterruptedRunError, StopRequest
from bnn.training.nonfinite import is_finite, locate, snapshot
from bnn.training.plan import Plan
from bnn.training.steps import History, TrainingSteps

# (step, values since the last report) -> None
Report = Callable[[int, dict[str, float]], None]
_SECONDS_BETWEEN_SAVES = 60.0


class Averages:
    """Means of loss and NLL since the last report; part of the state, so that resuming is exact."""

    def __init__(self) -> None:
        self.variable = tf.Variable(tf.zeros([3], tf.float64), trainable=False)

    def add(self, history: History) -> None:
        """Adds the steps one after the other: the sum does not depend on how they were called."""
        columns = np.stack([history.loss, history.nll, np.ones_like(history.loss)]).T
        rows = np.concatenate([self.variable.numpy()[np.newaxis], columns.astype(np.float64)])
        self.variable.assign(np.add.accumulate(rows)[-1])

    def take(self) -> dict[str, float]:
        """The means, and a fresh start."""
        loss, nll, count = self.variable.numpy()
        self.variable.assign(tf.zeros([3], tf.float64))
        return {"loss": float(loss / count), "nll": float(nll / count)}


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
) -> None:
    """Trains from `first_step` to the end of the plan.

    Args:
      steps: the compiled steps.
      plan: total and report steps.
      state: all variables a step changes, by part.
      trained: the trained variables by a name that says their site.
      checkpoints: saved about once a minute, at the end, and when the run stops early.
      averages: the running means, part of the checkpoints.
      first_step: 0, or the step of the restored checkpoint.
      report: called after every report step with the means since the last one and the latest KL.

    Raises:
      InterruptedRunError: after a signal; the state is saved.
      NonFiniteLossError: the state before the bad step is saved.
    """
    variables = [v for part in state.values() for v in part]
    step, last_save = first_step, time.monotonic()

    def due() -> bool:
        return time.monotonic() - last_save > _SECONDS_BETWEEN_SAVES

    def save() -> None:
        nonlocal last_save
        checkpoints.save(step)
        last_save = time.monotonic()

    with StopRequest() as stop:
        for end in (end for end in plan.report_steps if end > first_step):
            while step < end:
                count = min(steps.steps_per_call, end - step)
                before = snapshot(variables)
                history = steps(step, count)
                if not is_finite(history, list(trained.values())):
                    error = locate(steps, variables, before, trained, step, count)
                    checkpoints.save(error.step)
                    raise error
                averages.add(history)
                step += count
                if step < end and (stop.received is not None or due()):
                    save()
                    if stop.received is not None:
                        raise InterruptedRunError(stop.received, step)
            latest = {"kl": float(history.kl[-1])}
            latest |= {f"kl/{name}": float(kl[-1]) for name, kl in history.kl_by_site.items()}
            report(step, averages.take() | latest)
            finished = step == plan.total_steps
            if finished or stop.received is not None or due():
                save()
            if stop.received is not None and not finished:
                raise InterruptedRunError(stop.received, step)
