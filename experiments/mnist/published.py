"""Published results beside ours, from `published.csv`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from experiments.records import read_rows


@dataclasses.dataclass(frozen=True)
class Published:
    """A published row; what the source does not say is None."""

    set: str  # name of the data set
    network: str  # of the source
    method: str  # of the source
    error: float  # %, test
    nll: float  # nats per test example; the source BNN gives the sum over all 10,000
    ece: float | None  # expected calibration error
    samples: str  # weight samples, as the source says it
    source: str  # key of `SOURCES`


SOURCES = {
    "BNN": "J. Antorán, *Bayesian-Neural-Networks* (GitHub, results in its README)",
    "UB": "Nado et al. 2021, *Uncertainty Baselines* (GitHub, `baselines/mnist`)",
}
PUBLISHED = read_rows(Path(__file__).with_suffix(".csv"), Published)
