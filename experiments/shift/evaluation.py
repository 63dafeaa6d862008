"""What a trained run says of shifted and of foreign images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bnn import metrics
from bnn.data.image_sets import load_images
from experiments.records import recorded, stamp
from experiments.shift.jobs import FOREIGN
from experiments.shift.shifts import SHIFTS
from experiments.trained import log_probs, restore, scores

FILENAME = "shift.json"
# Edges of the histograms of predictive entropy, in nats; ln 10 is the most that ten classes give.
ENTROPY_EDGES = np.linspace(0.0, np.log(10.0), 24)


def evaluate_run(
    folder: Path, num_samples: int, num_images: int | None = None, every: int = 1
) -> dict[str, Any]:
    """Evaluates the run in `folder` and leaves the numbers there; those that are there are read.

    Args:
      folder: of a run that has ended.
      num_samples: S, weight samples of every metric.
      num_images: evaluate only the first ones of each set; all where None.
      every: take only every so-manieth amount of a shift, and the last.

    Returns:
      `shifts`: kind to a list of metrics by amount, for MNIST; `foreign`: set to score to AUROC,
      AUPR and FPR95; `entropy`: set to a histogram; and what made them.

    Raises:
      ValueError: the numbers that are there are of another number of samples or images.
    """
    asked = {"num_samples": num_samples, "num_images": num_images, "every": every}
    return recorded(
        folder / FILENAME, asked, lambda: _evaluate(folder, num_samples, num_images, every)
    )


def _evaluate(folder: Path, num_samples: int, num_images: int | None, every: int) -> dict[str, Any]:
    begin = time.monotonic()
    run = restore(folder)

    def predict(images: np.ndarray) -> np.ndarray:
        return log_probs(run, run.data.prepare_inputs(images[:num_images]), num_samples)

    images, labels = load_images(run.data.name, "test")
    own, labels = predict(images), labels[:num_images]
    foreign = {name: predict(load_images(name, "test")[0]) for name in FOREIGN[run.data.name]}
    shifts: dict[str, list[dict[str, float]]] = {}
    for kind, (shift, amounts) in SHIFTS.items() if run.data.name == "mnist" else ():
        shifts[kind] = [
            {"amount": amount}
            | _metrics(predict(shift(images[:num_images], amount)) if amount else own, labels)
            for amount in sorted({*amounts[::every], amounts[-1]})
        ]
    return {
        "test": _metrics(own, labels),
        "num_test": len(labels),
        "shifts": shifts,
        "foreign": {name: _detections(own, other) for name, other in foreign.items()},
        "entropy": {name: _histogram(p) for name, p in ({run.data.name: own} | foreign).items()},
        "seconds": time.monotonic() - begin,
        **stamp(),
    }


def _metrics(found: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    entropy = float(metrics.predictive_entropy(found).mean())
    return scores(found, labels, ("accuracy", "brier", "ece", "nll")) | {"entropy": entropy}


def _detections(own: np.ndarray, other: np.ndarray) -> dict[str, dict[str, float]]:
    """AUROC and the like by score; the mutual information of one sample, always 0, is left out."""
    scores, foreign = metrics.uncertainty_scores(own), metrics.uncertainty_scores(other)
    if len(own) == 1:
        del scores["mutual_information"]
    return {
        name: metrics.detection(values, foreign[name])._asdict() for name, values in scores.items()
    }


def _histogram(log_probs: np.ndarray) -> list[float]:
    """Shares of examples by predictive entropy."""
    entropy = np.clip(metrics.predictive_entropy(log_probs), 0, ENTROPY_EDGES[-1])
    counts, _ = np.histogram(entropy, ENTROPY_EDGES)
    return (counts / len(entropy)).tolist()
