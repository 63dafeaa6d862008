"""One step of a run, computed again from its checkpoints, and what it is made of."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.runs.session import Session
from bnn.training import TrainingSteps

_NAMES = {"nll": "NLL", "kl": "KL"}
_UNITS = {"nll": " nats per example", "kl": " nats"}


def replay(session: Session, step: int) -> dict[str, Any]:
    """Replays the step of a prepared session.

    Returns:
      `text`, the report; `finite`, whether loss, metrics and gradients are; `loss` and `metrics`
      by name, nats; `gradient_norms` by variable; `start`, the step of the checkpoint it began
      from; `first_non_finite`, the operation where NaN checks stopped, or None.

    Raises:
      ValueError: the step is not one of the run's.
    """
    total = session.plan.total_steps
    if not 0 <= step < total:
        raise ValueError(f"step must be from 0 to {total - 1}, the run's last step, got {step}.")
    steps = session.training_steps()
    checkpoints = session.checkpoints(session.averages(), same_run=False)
    start = checkpoints.restore(at_most=step) or 0
    position, archive = start, session.method.archive
    while position < step:
        end = min(position + steps.steps_per_call, step)
        end = end if archive is None else min(end, archive.next_after(position))
        steps(position, end - position)
        position = end
        if archive is not None:
            archive.note(position)  # a method may change its state with it; nothing is written
    state = [v for part in session.state().values() for v in part]
    before = [tf.identity(v.value) for v in state]
    info, gradients = steps.gradients(step)
    for variable, value in zip(state, before, strict=True):
        variable.assign(value)  # looking has moved baselines
    trained = session.trained()
    report: dict[str, Any] = {
        "step": step,
        "start": start,
        "loss": float(info.loss),
        "metrics": {name: float(value) for name, value in info.metrics.items()},
        "gradient_norms": {
            name: None if g is None else float(tf.norm(tf.convert_to_tensor(g)))
            for name, g in zip(trained, gradients, strict=True)
        },
        "norms": {name: float(tf.norm(v.value)) for name, v in trained.items()},
    }
    report["first_non_finite"] = _first_non_finite(steps, step)
    numbers = [report["loss"], *report["metrics"].values()]
    numbers += [n for n in report["gradient_norms"].values() if n is not None]
    report["finite"] = bool(np.isfinite(numbers).all())
    report["text"] = _text(report, session.plan.epoch(step), session.data.num_train)
    return report


def _first_non_finite(steps: TrainingSteps, step: int) -> str | None:
    """The operation that first gave NaN or infinity, and the line of the program it is of."""
    with _quiet():
        tf.debugging.enable_check_numerics(stack_height_limit=60, path_length_limit=200)
    try:
        steps.gradients(step)
    except tf.errors.InvalidArgumentError as error:
        return _operation(str(error))
    finally:
        with _quiet():
            tf.debugging.disable_check_numerics()
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without TensorFlow's line that its checks are on or off."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _operation(message: str) -> str:
    what = re.search(
        r"Detected.*?(NaN|Infinity|-Inf|\+Inf|Inf).*?output.*?op \"?(\S+?)\"? ", message
    )
    lines = re.findall(r"(bnn/\S+?\.py)[:\w\s\",]*?(\d+)", message)
    found = f"{what[2]} gave {what[1]}" if what else message.partition("\n")[0][:200]
    return f"{found}, in {lines[-1][0]} line {lines[-1][1]}" if lines else found


def _text(report: dict[str, Any], epoch: float, num_train: int) -> str:
    begun = f"checkpoint of step {report['start']}" if report["start"] else "initial weights"
    metrics = report["metrics"]
    said = [f"loss {report['loss']:.8g}"]
    said += [
        f"{_NAMES.get(name, name)} {value:.8g}{_UNITS.get(name, '')}"
        for name, value in metrics.items()
        if not name.startswith("kl/")
    ]
    lines = [
        f"step {report['step']}, epoch {epoch:.4g}; from the {begun}, "
        f"{report['step'] - report['start']} steps on",
        ", ".join(said),
        "",
        f"{'site':<32}{'KL, nats':>14}{'KL / N':>14}",
        *(
            f"{name.removeprefix('kl/'):<32}{kl:>14.6g}{kl / num_train:>14.6g}"
            for name, kl in metrics.items()
            if name.startswith("kl/")
        ),
        "",
        f"{'variable':<56}{'norm':>14}{'gradient norm':>16}",
    ]
    for name, norm in report["gradient_norms"].items():
        shown = "none" if norm is None else f"{norm:.6g}"
        lines.append(f"{name:<56}{report['norms'][name]:>14.6g}{shown:>16}")
    found = report["first_non_finite"]
    lines += ["", f"NaN checks: {found or 'every operation gave finite numbers'}"]
    return "\n".join(lines)
