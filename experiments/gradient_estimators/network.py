"""Part 3: a 2 × 400 network on MNIST at initialisation, after 1 and after 10 epochs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn import data as datasets
from bnn.data import Dataset, batch_indices
from bnn.data.paths import VARIABLE
from bnn.estimators import (
    Estimator,
    Flipout,
    LeaveOneOut,
    LocalReparameterization,
    Mean,
    Reparameterization,
    RunningMean,
    ScoreFunction,
)
from bnn.objectives import NegativeELBO, StickingTheLanding
from bnn.training import TrainingSteps
from experiments.gradient_estimators import looks, network_figures, network_tables
from experiments.gradient_estimators.probe import Moments, Probe
from experiments.gradient_estimators.tables import Part

SEED = 0
PRIOR_SCALE = 0.05


class Case(NamedTuple):
    """One estimator at identical parameters.

    Attributes:
      name: of the estimator.
      estimator: gives the estimator.
      num_samples: S of one gradient.
      objective: kind of objective.
      options: of the objective.
      all_batch_sizes: measured against batch size too.
      all_sample_counts: measured against S too.
    """

    name: str
    estimator: Callable[[], Estimator]
    num_samples: int = 1
    objective: Callable[..., NegativeELBO] = NegativeELBO
    options: Mapping[str, Any] = MappingProxyType({})
    all_batch_sizes: bool = False
    all_sample_counts: bool = False


CASES = (
    Case(looks.REPARAMETERIZATION, Reparameterization, 1, NegativeELBO, {}, True, True),
    Case(looks.LOCAL, LocalReparameterization, 1, NegativeELBO, {}, True, True),
    Case(looks.FLIPOUT, Flipout, 1, NegativeELBO, {}, True, True),
    Case(looks.MEAN, Mean, 1, NegativeELBO, {}, True),
    Case(
        looks.ANTITHETIC,
        Reparameterization,
        2,
        NegativeELBO,
        {"antithetic": True},
        all_sample_counts=True,
    ),
    Case(looks.LANDING, Reparameterization, 1, StickingTheLanding),
    # The optimal coefficient is the same as leave-one-out with two samples, and in many dimensions
    # with more; of a defensive mixture over half a million weights hardly a draw has a weight.
    Case(looks.SCORE, ScoreFunction, 1),
    Case(looks.RUNNING_MEAN, lambda: ScoreFunction(RunningMean()), 1),
    Case(looks.LEAVE_ONE_OUT, lambda: ScoreFunction(LeaveOneOut()), 2),
)


class Sizes(NamedTuple):
    """How much is measured.

    Attributes:
      hidden: units of the hidden layers.
      epochs: after which the network is measured.
      batches: batch size to number of random batches.
      batch_size: of training and of the comparison of all estimators.
      sample_counts: S, at the second of `epochs`.
      chunks: examples of one compiled gradient; larger batches are made of the largest that
        divides them.
      timings: gradients timed.
      cases: which estimators.
    """

    hidden: tuple[int, ...]
    epochs: tuple[int, ...]
    batches: dict[int, int]
    batch_size: int
    sample_counts: tuple[int, ...]
    chunks: tuple[int, ...]
    timings: int
    cases: tuple[Case, ...]


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
    """What was measured at one point of training.

    Attributes:
      epochs: of training before.
      nll: of the training batches just before, nats per example; None at the start.
      steps: of training before.
      kl: nats.
      test_error: of the posterior mean, fraction.
      by_batch: (estimator, batch size) to moments.
      by_samples: (estimator, S) to moments, at the comparison's batch size.
    """

    epochs: int
    steps: int
    nll: float | None
    kl: float
    test_error: float
    by_batch: dict[tuple[str, int], Moments]
    by_samples: dict[tuple[str, int], Moments]


class Study(NamedTuple):
    """All that part 3 found.

    Attributes:
      data: name of the data set.
      sizes: how much was measured.
      group_sizes: number of weights in each group of `Moments`.
      states: one for every point of training.
      milliseconds: of the fastest gradient at the comparison's batch size, by estimator.
    """

    data: str
    sizes: Sizes
    group_sizes: np.ndarray
    states: list[State]
    milliseconds: dict[str, float]


def run(folder: Path, fast: bool) -> Part:
    """Trains once, measures on the way, writes tables and figures."""
    sizes = FAST if fast else FULL
    data = load(fast)
    study = measure(data, sizes)
    figures = network_figures.draw(folder, study)
    return Part(
        network_tables.tables(study),
        figures,
        {
            "data": f"{data.name}, N = {data.num_train:,}",
            "network": " × ".join(map(str, (*data.input_shape, *sizes.hidden, data.num_classes)))
            + f", prior N(0, {PRIOR_SCALE}²), trained with local reparameterization, Adam 0.001, "
            f"batches of {sizes.batch_size}, seed {SEED}",
        },
    )


def load(fast: bool) -> Dataset:
    """MNIST where BNN_DATA_DIR has it, else scikit-learn's digits."""
    if not fast and (Path(os.environ.get(VARIABLE, "")) / "mnist").is_dir():
        return datasets.mnist(flatten=True)
    return datasets.digits(flatten=True)


def measure(data: Dataset, sizes: Sizes) -> Study:
    """Measures at every point of training."""
    keras.utils.set_random_seed(SEED)
    model = bnn.models.mlp(
        data.input_shape,
        data.num_classes,
        hidden=sizes.hidden,
        kernel_prior=bnn.priors.Normal(scale=PRIOR_SCALE),
        bias_prior=bnn.priors.Normal(scale=PRIOR_SCALE),
    )
    likelihood = bnn.likelihoods.Categorical()
    steps = _training(model, likelihood, data, sizes)
    examples = tf.constant(data.x_train), tf.constant(data.y_train)
    probes = {
        case.name: Probe(
            model,
            *examples,
            case.objective(likelihood, data.num_train, case.num_samples, **case.options),
            case.estimator,
        )
        for case in sizes.cases
    }
    states, nll, done = [], None, 0
    for epochs in sizes.epochs:
        last = epochs * data.num_train // sizes.batch_size
        while done < last:
            count = min(steps.steps_per_call, last - done)
            nll = float(steps(done, count).nll.mean())
            done += count
        states.append(_state(epochs, done, nll, model, data, sizes, probes))
        print(f"  measured after {epochs} epochs", flush=True)
    milliseconds = _milliseconds(probes, data, sizes)
    return Study(data.name, sizes, next(iter(probes.values())).sizes, states, milliseconds)


def _training(model: keras.Model, likelihood: Any, data: Dataset, sizes: Sizes) -> TrainingSteps:
    objective = NegativeELBO(likelihood, data.num_train)
    estimator = LocalReparameterization()
    return TrainingSteps(
        lambda x, y, step: objective(model, x, y, estimator=estimator, seed=SEED, step=step),
        lambda numbers: batch_indices(
            numbers, batch_size=sizes.batch_size, num_train=data.num_train, seed=SEED
        ),
        data.x_train,
        data.y_train,
        keras.optimizers.Adam(1e-3),
        model.trainable_variables,
    )


def _state(
    epochs: int,
    steps: int,
    nll: float | None,
    model: keras.Model,
    data: Dataset,
    sizes: Sizes,
    probes: dict[str, Probe],
) -> State:
    by_batch, by_samples = {}, {}
    for case in sizes.cases:
        probe = probes[case.name]
        probe.settle(sizes.batch_size, _chunk(sizes.batch_size, sizes))
        for batch_size, replicates in sizes.batches.items():
            if case.all_batch_sizes or batch_size == sizes.batch_size:
                by_batch[case.name, batch_size] = probe.moments(
                    batch_size, replicates, _chunk(batch_size, sizes)
                )
        if case.all_sample_counts and epochs == sizes.epochs[1]:
            for count in sizes.sample_counts:
                if count % case.num_samples == 0:
                    by_samples[case.name, count] = probe.moments(
                        sizes.batch_size,
                        sizes.batches[sizes.batch_size] // 2,
                        _chunk(sizes.batch_size, sizes),
                        count // case.num_samples,
                    )
    predicted = np.argmax(model.predict_on_batch(data.x_test), axis=-1)
    kl = float(tf.add_n(list(bnn.ledger(model).values())))
    error = float(np.mean(predicted != data.y_test))
    return State(epochs, steps, nll, kl, error, by_batch, by_samples)


def _chunk(batch_size: int, sizes: Sizes) -> int:
    return max(size for size in sizes.chunks if batch_size % size == 0)


def _milliseconds(probes: dict[str, Probe], data: Dataset, sizes: Sizes) -> dict[str, float]:
    """Fastest of single gradients, compiled before; in turns, so that all see the same machine."""
    rows = np.arange(sizes.batch_size) % data.num_train
    chunk = _chunk(sizes.batch_size, sizes)
    seconds: dict[str, list[float]] = {name: [] for name in probes}
    for step in range(sizes.timings):
        for name, probe in probes.items():
            start = time.perf_counter()
            probe.gradient(rows, step, chunk)[-1].numpy()
            seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * min(values) for name, values in seconds.items()}
