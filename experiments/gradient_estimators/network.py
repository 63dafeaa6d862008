"""Part 3: a 2 × 400 network on MNIST at initialisation, after 1 and after 10 epochs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn import data as datasets
from bnn.data import Dataset
from bnn.data.paths import VARIABLE
from bnn.estimators import LocalReparameterization
from bnn.objectives import NegativeELBO
from experiments.gradient_estimators import network_figures, network_tables
from experiments.gradient_estimators.network_cases import FAST, FULL, Sizes, State, Study
from experiments.gradient_estimators.probe import Probe
from experiments.gradient_estimators.tables import Part
from experiments.gradient_estimators.variants import VARIANTS
from experiments.steps import training_steps

SEED = 0
PRIOR_SCALE = 0.05


def run(folder: Path, fast: bool) -> Part:
    """Trains once, measures on the way, writes tables and figures."""
    sizes = FAST if fast else FULL
    data = load(fast)
    study = measure(data, sizes)
    counts = (f"{n:,}" for n in network_tables.of_kind(study.group_sizes, "loc"))
    return Part(
        network_tables.tables(study),
        network_figures.draw(folder, study),
        {
            "data": f"{data.name}, N = {data.num_train:,}",
            "network": " × ".join(map(str, (*data.input_shape, *sizes.hidden, data.num_classes)))
            + f", prior N(0, {PRIOR_SCALE}²), trained with local reparameterization, Adam 0.001, "
            f"batches of {sizes.batch_size}, seed {SEED}",
        },
        {"batch_size": sizes.batch_size, "weights": ", the next ".join(counts)},
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
    steps = training_steps(
        model,
        NegativeELBO(likelihood, data.num_train),
        LocalReparameterization(),
        (data.x_train, data.y_train),
        keras.optimizers.Adam(1e-3),
        batch_size=sizes.batch_size,
        seed=SEED,
    )
    examples = tf.constant(data.x_train), tf.constant(data.y_train)
    probes = {
        case.name: Probe(
            model,
            *examples,
            VARIANTS[case.name].bound(likelihood, data.num_train, case.num_samples),
            VARIANTS[case.name].estimator,
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
