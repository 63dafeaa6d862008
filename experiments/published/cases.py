"""The networks on MNIST, each of one published row, with recipes fixed before any was run."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from experiments.runs import Job
from experiments.shift.jobs import ARMS, Fit

NUM_SAMPLES = 32
_EPOCHS = 10  # of LeNet-5, fewer than those of `experiments.shift`, and so in another folder
_MAP = next(arm for arm in ARMS if arm.name == "map")


class Published(NamedTuple):
    """A row of a paper; None where it does not say."""

    title: str
    error: float | None  # %
    nll: float | None
    auroc: tuple[float, float] | None  # %, against Fashion-MNIST and KMNIST
    source: str


class Case(NamedTuple):
    """One of ours."""

    title: str
    network: str
    job: Job
    last_layer: bool  # whether a Laplace approximation of the last layer is fitted to it
    published: tuple[Published, ...]


_ANTORAN = "2×1200 units, J. Antorán, *Bayesian-Neural-Networks*"
_REDUX = "LeNet, Daxberger et al. 2021, *Laplace Redux*"
_BASELINES = "LeNet-5, Nado et al. 2021, *Uncertainty Baselines*"
_BLUNDELL = "2×400 units, independent reproduction of Blundell et al. 2015"


def _mlp(name: str, epochs: float, *bindings: str) -> Job:
    more = (f"run.epochs = {epochs:g}", f"run.num_predict_samples = {NUM_SAMPLES}", *bindings)
    return Job(f"published-mlp-{name}-0", "mnist_mlp.gin", more, 0)


_LENET = Fit("mnist", _MAP, 0).job(_EPOCHS)
_LENET = dataclasses.replace(_LENET, name="published-lenet-map-0")

# Epochs are those of all members together.
CASES = {
    "mlp-ensemble": Case(
        "deep ensemble of 5",
        "2×400",
        _mlp("ensemble", 60, "run.method = @DeepEnsemble()"),
        False,
        (Published("bootstrap ensemble of 100", 1.53, 0.0497, None, _ANTORAN),),
    ),
    "mlp-dropout": Case(
        "MC dropout, p = 0.5",
        "2×400",
        _mlp("dropout", 20, "run.method = @methods.MCDropout()", "methods.MCDropout.rate = 0.5"),
        False,
        (
            Published("MC dropout", 1.37, 0.0435, None, _ANTORAN),
            Published("dropout", 1.54, None, None, _BLUNDELL),
        ),
    ),
    "mlp-swag": Case(
        "SWAG",
        "2×400",
        _mlp("swag", 20, "run.method = @SWAG()"),
        False,
        (Published("MAP (none for SWAG)", 1.58, 0.0573, None, _ANTORAN),),
    ),
    "lenet-map": Case(
        "MAP",
        "LeNet-5",
        _LENET,
        False,
        (
            Published("MAP", None, None, (98.9, 97.0), _REDUX),
            Published("deterministic", 0.9, 0.037, None, _BASELINES),
        ),
    ),
    "lenet-laplace": Case(
        "Laplace, last layer, full",
        "LeNet-5",
        _LENET,
        True,
        (Published("last-layer Laplace", None, None, (98.5, 96.6), _REDUX),),
    ),
    "lenet-ensemble": Case(
        "deep ensemble of 5",
        "LeNet-5",
        Job(
            "published-lenet-ensemble-0",
            "mnist_lenet.gin",
            ("run.epochs = 30", "run.method = @DeepEnsemble()"),
            0,
        ),
        False,
        (
            Published("ensemble of 5", None, None, (99.2, 98.3), _REDUX),
            Published("ensemble of 10", 0.6, 0.016, None, _BASELINES),
        ),
    ),
}
