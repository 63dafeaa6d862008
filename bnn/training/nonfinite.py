"""Finding the step and the site at which a loss stopped being finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from bnn.training.steps import History, TrainingSteps


class NonFiniteLossError(RuntimeError):
    """The loss, its gradient or an updated variable became NaN or infinite.

    Attributes:
      step: the first step at which it happened; the state is the one before that step.
    """

    def __init__(self, step: int, what: str) -> None:
        self.step = step
        super().__init__(
            f"the loss became non-finite at step {step}: {what}. The state before that step is "
            "kept. Lower the learning rate, clip gradients (clipnorm of the optimizer), or look "
            "at the inputs of that step."
        )


def snapshot(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """Copies of the variables' values."""
    return [tf.identity(v.value) for v in variables]


def restore(variables: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> None:
    """Puts a snapshot back."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def is_finite(history: History, variables: Sequence[keras.Variable]) -> bool:
    """Whether all losses and metrics of a call and the variables after it are finite."""
    rows = np.stack([history.loss, *history.metrics.values()])
    return bool(
        np.isfinite(rows).all()
        and all(bool(tf.reduce_all(tf.math.is_finite(v.value))) for v in variables)
    )


def locate(
    steps: TrainingSteps,
    state: Sequence[keras.Variable],
    before: Sequence[tf.Tensor],
    trained: Mapping[str, keras.Variable],
    first_step: int,
    num_steps: int,
) -> NonFiniteLossError:
    """Repeats a failed call one step at a time up to the first bad step; leaves the state there.

    Steps are functions of their number and the state, so the repetition takes the same path.

    Args:
      steps: the compiled steps.
      state: all variables that a step changes.
      before: their snapshot before the call.
      trained: the trained variables by a name that says their site.
      first_step: of the call.
      num_steps: of the call.

    Returns:
      The error to raise, which names the step, and the loss term, site or variable.
    """
    restore(state, before)
    for step in range(first_step, first_step + num_steps):
        good = snapshot(state)
        what = _whats_wrong(steps, step, trained)
        if what is None:
            restore(state, good)  # looking at the step has moved its baseline and moving averages
            history = steps(step, 1)
            if is_finite(history, list(trained.values())):
                continue
            bad = [n for n, v in trained.items() if not np.isfinite(v.numpy()).all()]
            what = f"the update made {', '.join(bad)} non-finite" if bad else "the loss itself"
        restore(state, good)
        return NonFiniteLossError(step, what)
    restore(state, before)
    return NonFiniteLossError(
        first_step,
        f"between this step and step {first_step + num_steps - 1}, and not when these steps were "
        "repeated one by one",
    )


def _whats_wrong(
    steps: TrainingSteps, step: int, trained: Mapping[str, keras.Variable]
) -> str | None:
    batch = steps.batches.at(step)
    for name, nest in (("inputs", batch.inputs), ("targets", batch.targets)):
        for part in tf.nest.flatten(nest):
            if part.dtype.is_floating and not np.isfinite(part.numpy()).all():
                return f"the batch's {name} hold NaN or infinity"
    info, gradients = steps.gradients(step)
    values = {name: float(value) for name, value in info.metrics.items()}
    wrong = [name for name, value in values.items() if not np.isfinite(value)]
    sites = [name.removeprefix("kl/") for name in wrong if name.startswith("kl/")]
    if sites:
        return f"the KL of site {', '.join(sites)} is not finite"
    if "nll" in wrong:
        return f"the negative log-likelihood is {values['nll']}"
    if wrong:
        return f"the step's {wrong[0]} is {values[wrong[0]]}"
    bad = [
        name
        for name, gradient in zip(trained, gradients, strict=True)
        if gradient is not None and not np.isfinite(gradient.numpy()).all()
    ]
    return f"the gradient of {', '.join(bad)} is not finite" if bad else None
