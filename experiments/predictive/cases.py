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


def _mlp(name: str, seed: int, *bindings: str) -> Job:
    return Job(f"{name}-{seed}", _MLP, ("run.epochs = 8", *bindings), seed)


# 784-400-400-10 and LeNet-5 for the bounds; six image classifiers for calibration.
MLP = Job("mlp-mnist-0", _MLP, (), 0)
LENET = Job("lenet-mnist-0", "mnist_lenet.gin", ("run.epochs = 3",), 0)
FASHION = "run.data = @fashion_mnist()"
CLASSIFIERS = {
    MLP.name: MLP,
    "mlp-mnist-1": _mlp("mlp-mnist", 1),
    "mlp-fashion-0": _mlp("mlp-fashion", 0, FASHION),
    "mlp-fashion-1": _mlp("mlp-fashion", 1, FASHION),
    LENET.name: LENET,
    "lenet-fashion-0": Job("lenet-fashion-0", "fashion_lenet.gin", ("run.epochs = 3",), 0),
}
REGRESSIONS = {
    f"uci-{name}": Job(
        f"uci-{name}-0",
        "uci.gin",
        (f"uci.name = '{name}'", f"run.epochs = {epochs}", f"run.report_every = {epochs}"),
        0,
    )
    for name, epochs in (("concrete", 200), ("power-plant", 20))
}


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


def total_variation(probs: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the inputs of ½ Σ |p − truth|."""
    return float(0.5 * np.abs(probs - truth).sum(axis=-1).mean())


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
