"""The runs that the study reads, and what they say of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.runs import Job
from experiments.trained import Run, restore

REFERENCE = 4096  # weight samples of what counts as the truth
EVERY = 20  # of the test inputs the truth is known of one in so many
_MLP = "mnist_mlp.gin"


# 784-400-400-10 and LeNet-5.
MLP = Job("mlp-mnist-0", _MLP, (), 0)
LENET = Job("lenet-mnist-0", "mnist_lenet.gin", ("run.epochs = 3",), 0)


def opened(job: Job, root: Path) -> Run:
    """The run, trained where it has not been."""
    job.train(root)
    return restore(root / job.name)


def reference(run: Run) -> np.ndarray:
    """Probabilities of one test input in `EVERY`, by `REFERENCE` weight samples; kept."""
    path = run.folder / f"reference-{REFERENCE}-{EVERY}.npy"
    if not path.exists():
        said = run.predictive(run.data.x_test[::EVERY], REFERENCE, seed=10**6)
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, said.mean)
        temporary.rename(path)
    return np.load(path)


def alternating(calls: dict[str, Callable[[int], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round, all in turns; `call(round)`, −1 first, to warm up."""
    import time

    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, rounds):
        for name, call in calls.items():
            begin = time.perf_counter()
            call(number)
            if number >= 0:
                seconds[name].append(time.perf_counter() - begin)
    return seconds
