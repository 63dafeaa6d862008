"""Losses of every estimator on one number of replicas: one process per number.

Example:
  python tests/distribution/agreement.py --replicas=4 --output=four.json

The same model, data and global batches whatever the number of replicas, with shared noise: the
losses and final weights must agree to float tolerance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import bnn
from bnn.data import ArrayExamples, Batches, ResidentBatches, StreamedBatches
from bnn.estimators import (
    BySite,
    DefensiveMixture,
    Estimator,
    Flipout,
    LeaveOneOut,
    LocalReparameterization,
    Mean,
    OptimalCoefficient,
    Reparameterization,
    RunningMean,
    ScoreFunction,
)
from bnn.methods import Problem, VariationalInference
from bnn.objectives import NegativeELBO
from bnn.training import Mirrored, OneDevice, ReplicatedSteps, Strategy, TrainingSteps

NUM_TRAIN, BATCH_SIZE, STEPS, SAMPLES = 64, 16, 6, 3
# Names to estimators; every baseline, with and without a proposal.
ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "Mean": Mean,
    "Reparameterization": Reparameterization,
    "LocalReparameterization": LocalReparameterization,
    "Flipout": Flipout,
    "ScoreFunction": ScoreFunction,
    "ScoreFunction, running mean": lambda: ScoreFunction(RunningMean()),
    "ScoreFunction, leave one out": lambda: ScoreFunction(LeaveOneOut()),
    "ScoreFunction, optimal coefficient": lambda: ScoreFunction(OptimalCoefficient()),
    "ScoreFunction, proposal and running mean": lambda: ScoreFunction(
        RunningMean(), DefensiveMixture()
    ),
    "BySite: Flipout, LocalReparameterization": lambda: BySite(
        {"conv2d/*": Flipout()}, LocalReparameterization()
    ),
}

# Two of them with XLA: it compiles one replica's pass, whose estimator is all that differs.
COMPILED = {"Flipout", "ScoreFunction, running mean"}


def train(
    strategy: Strategy,
    estimator: Estimator,
    steps: int = STEPS,
    jit_compile: bool = True,
    streamed: bool = False,
) -> dict[str, Any]:
    """A few steps of a small convolutional network; losses `[K, 3]` and the final weights."""
    keras.utils.set_random_seed(0)
    random = np.random.RandomState(0)
    x = random.normal(size=(NUM_TRAIN, 6, 6, 1)).astype(np.float32)
    y = random.randint(0, 3, NUM_TRAIN)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                bnn.layers.Conv2D(2, 3, activation="relu"),
                keras.layers.Flatten(),
                bnn.layers.Dense(3),
            ]
        )
        likelihood = bnn.likelihoods.Categorical()
        likelihood.build(3)
        problem = Problem(
            model,
            likelihood,
            NUM_TRAIN,
            steps,
            seed=5,
            optimizer=strategy.adopt(keras.optimizers.Adam(0.03, clipnorm=0.5)),
        )
        method = VariationalInference(estimator, NegativeELBO(num_samples=SAMPLES))
        method.build(problem)
        state = [*model.non_trainable_variables, *method.variables]
    batches: Batches = ResidentBatches(x, y, batch_size=BATCH_SIZE, seed=5)
    if streamed:
        examples = ArrayExamples("toy", x, y.astype(np.int32))
        batches = StreamedBatches(examples, BATCH_SIZE, seed=5)
    options = {"steps_per_call": steps, "jit_compile": jit_compile}
    if strategy.num_replicas == 1:
        run = TrainingSteps(method, batches, 5, **options)
    else:
        run = ReplicatedSteps(method, batches, 5, state, strategy, **options)
    history = run(0, steps)
    return {
        "loss": history.loss.tolist(),
        "nll": history.metrics["nll"].tolist(),
        "kl": history.metrics["kl"].tolist(),
        "weights": np.concatenate([np.ravel(v.numpy()) for v in problem.trained]).tolist(),
        "state": np.concatenate([np.zeros(1), *(np.ravel(v.numpy()) for v in state)]).tolist(),
    }


def main() -> None:
    """Trains with every estimator and writes the losses as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicas", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--independent", action="store_true")
    parser.add_argument("--streamed", action="store_true")
    parser.add_argument("--compiled", action="store_true", help="those with XLA alone")
    options = parser.parse_args()
    strategy = (
        OneDevice()
        if options.replicas == 1
        else Mirrored(options.replicas, shared_noise=not options.independent)
    )
    results = {
        name: train(strategy, make(), jit_compile=name in COMPILED, streamed=options.streamed)
        for name, make in ESTIMATORS.items()
        if name in COMPILED or not options.compiled
    }
    options.output.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
