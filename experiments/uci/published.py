"""Published results in the same protocol, to stand beside ours, from `published.json`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Published:
    """One row of the literature."""

    title: str  # of the method
    source: str  # where it was published
    spread: str  # what follows ±: "se", the standard error over splits, or "sd", the deviation
    splits: str  # whether the train/test splits are the ones used here
    protocol: str  # how the training differs from ours
    log_likelihood: dict[str, tuple[float, float]]  # set to mean and spread, nats per example
    rmse: dict[str, tuple[float, float]]  # set to mean and spread, target units


PUBLISHED = [
    Published(**row) for row in json.loads(Path(__file__).with_suffix(".json").read_text())
]
# What this study set out to reach, in nats per example.
GOALS = {
    "bostonHousing": -2.46,
    "concrete": -3.07,
    "power-plant": -2.82,
    "wine-quality-red": -0.95,
    "yacht": -1.00,
}
