"""What a run's arguments must be, said by name before anything is built or written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from bnn.evaluation import most_samples
from bnn.formatting import is_number
from bnn.schedules import Schedule

_POINTS = 64  # at which a schedule is looked at


class _Count(NamedTuple):
    """An integer of at least `least` and at most `most`."""

    least: int
    most: int
    hint: str


_COUNTS = {
    "num_predict_samples": _Count(
        1, 2**31 - 1, "metrics of the posterior need samples, 32 is a good start"
    ),
    "steps_per_call": _Count(1, 10**6, "1000 is usual"),
    "keep_checkpoints": _Count(1, 10**6, "3 leaves two in case the newest is damaged"),
    "seed": _Count(0, 2**32 - 1, "give a fixed integer such as 0"),
}


def require(name: str, value: Any, kind: type, example: str) -> None:
    """Raises ValueError for an argument that is not an object of its kind: a class, a number."""
    if not isinstance(value, kind):
        raise ValueError(
            f"{name} must be a {kind.__name__} object, got {value!r}; in gin write for example "
            f"run.{name} = {example}, with the parentheses."
        )


def check_schedule(name: str, schedule: Any) -> None:
    """Raises ValueError for a schedule of a rate or weight that is negative or not finite.

    It is looked at over the progress of training; a number instead of a schedule is let pass.
    """
    if not isinstance(schedule, Schedule):
        return
    for number in range(_POINTS + 1):
        value = float(schedule(number / _POINTS))
        if not 0 <= value < math.inf:
            raise ValueError(
                f"{name} must be at least 0 and finite throughout, got {value:g} after "
                f"{number / _POINTS:.3g} of the training; correct the numbers of its "
                f"{type(schedule).__name__}."
            )


def check_samples(num_samples: int, num_outputs: int) -> None:
    """Raises ValueError for more samples than the outputs of one input may have."""
    most = most_samples(num_outputs)
    if num_samples > most:
        raise ValueError(
            f"num_predict_samples must be at most {most} for {num_outputs} outputs, which are "
            f"those that fit into memory, got {num_samples}; 32 is a good start."
        )


def check_numbers(arguments: Mapping[str, Any]) -> None:
    """Raises ValueError for a number of the run that is of another type or out of range."""
    for name, count in _COUNTS.items():
        value = arguments[name]
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not count.least <= value <= count.most:
            bounds = f"at least {count.least}"
            if whole and value > count.most:
                bounds = f"at most {count.most}"
            raise ValueError(f"{name} must be an integer of {bounds}, got {value!r}; {count.hint}.")
    seconds = arguments["save_seconds"]
    if not is_number(seconds) or not 0 <= seconds < math.inf:
        raise ValueError(f"save_seconds must be at least 0, got {seconds!r}; 60 is usual.")
    if not isinstance(arguments["jit_compile"], bool):
        raise ValueError(
            f"jit_compile must be True or False, got {arguments['jit_compile']!r}; True is usual, "
            "False is faster for convolutions on CPUs."
        )
    if not callable(arguments["model"]):
        raise ValueError(
            f"model must be a function of input shape and number of outputs, got "
            f"{arguments['model']!r}; in gin write for example run.model = @mlp, without "
            "parentheses."
        )
