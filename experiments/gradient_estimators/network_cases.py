"""What part 3 measures, how much of it, and what comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from experiments.gradient_estimators import looks
from experiments.gradient_estimators.probe import Moments


class Case(NamedTuple):
    """One estimator at identical parameters."""

    name: str  # of the estimator
    num_samples: int = 1  # S of one gradient
    all_batch_sizes: bool = False  # measured against batch size too
    all_sample_counts: bool = False  # measured against S too


CASES = (
    Case(looks.REPARAMETERIZATION, 1, True, True),
    Case(looks.LOCAL, 1, True, True),
    Case(looks.FLIPOUT, 1, True, True),
    Case(looks.MEAN, 1, True),
    Case(looks.ANTITHETIC, 2, all_sample_counts=True),
    Case(looks.LANDING),
    # The optimal coefficient is the same as leave-one-out with two samples, and in many dimensions
    # with more; of a defensive mixture over half a million weights hardly a draw has a weight.
    Case(looks.SCORE),
    Case(looks.RUNNING_MEAN),
    Case(looks.LEAVE_ONE_OUT, 2),
)


class Sizes(NamedTuple):
    """How much is measured."""

    hidden: tuple[int, ...]  # units of the hidden layers
    epochs: tuple[int, ...]  # after which the network is measured
    batches: dict[int, int]  # batch size to number of random batches
    batch_size: int  # of training and of the comparison of all estimators
    sample_counts: tuple[int, ...]  # S, at the second of `epochs`
    # examples of one compiled gradient; larger batches are made of the largest that divides
    # them
    chunks: tuple[int, ...]
    timings: int  # gradients timed
    cases: tuple[Case, ...]  # which estimators


FULL = Sizes(
    hidden=(400, 400),
    epochs=(0, 1, 10),
    batches={1: 128, 4: 48, 16: 40, 128: 32, 1024: 16},
    batch_size=128,
    sample_counts=(1, 2, 4, 8),
    chunks=(1, 4, 16, 128),
    timings=30,
    cases=CASES,
)
FAST = Sizes(
    hidden=(8,),
    epochs=(0, 1),
    batches={1: 8, 16: 8},
    batch_size=16,
    sample_counts=(2, 4),
    chunks=(1,),
    timings=3,
    cases=tuple(CASES[i] for i in (0, 1, 3, 4, 7)),
)


class State(NamedTuple):
    """What was measured at one point of training."""

    epochs: int  # of training before
    steps: int  # of training before
    nll: float | None  # of the training batches just before, nats per example; None at the start
    kl: float  # nats
    test_error: float  # of the posterior mean, fraction
    by_batch: dict[tuple[str, int], Moments]  # (estimator, batch size) to moments
    # (estimator, S) to moments, at the comparison's batch size
    by_samples: dict[tuple[str, int], Moments]


class Study(NamedTuple):
    """All that part 3 found."""

    data: str  # name of the data set
    sizes: Sizes  # how much was measured
    group_sizes: np.ndarray  # number of weights in each group of `Moments`
    states: list[State]  # one for every point of training
    # of the fastest gradient at the comparison's batch size, by estimator
    milliseconds: dict[str, float]
