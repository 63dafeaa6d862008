"""A training problem without a network: least squares with noise that depends on the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.data import ResidentBatches, batch_indices
from bnn.training import Averages, Checkpoints, Descent, Info, TrainingSteps

NUM_TRAIN, BATCH_SIZE = 12, 4


class Toy:
    """y = x w + noise(step), a penalty for two sites, and a moving average as further state.

    `calls` counts how often Python ran the loss: once for each trace and each eager call.
    """

    def __init__(self) -> None:
        random = np.random.RandomState(0)
        self.x = random.normal(size=(NUM_TRAIN, 3)).astype(np.float32)
        self.y = (self.x @ [[1.0], [-2.0], [0.5]]).astype(np.float32)
        self.weights = keras.Variable(np.full((3, 1), 0.1, np.float32), name="weights")
        self.bias = keras.Variable(np.zeros(1, np.float32), name="bias")
        self.average = keras.Variable(0.0, trainable=False, name="average")
        self.calls = 0

    @property
    def trained(self) -> dict[str, keras.Variable]:
        return {"weights": self.weights, "bias": self.bias}

    def loss(self, inputs: tf.Tensor, targets: tf.Tensor, step: tf.Tensor) -> Info:
        self.calls += 1
        noise = 0.1 * tf.sin(13.0 * tf.cast(step, tf.float32))
        mean = tf.matmul(inputs, tf.convert_to_tensor(self.weights)) + self.bias + noise
        nll = tf.reduce_mean(tf.square(mean - targets)) + 0.01 * self.average
        self.average.assign(0.5 * self.average + 0.5 * tf.stop_gradient(nll))
        kl = {
            "kl/0_dense/kernel": tf.reduce_sum(tf.square(self.weights)),
            "kl/0_dense/bias": tf.reduce_sum(tf.square(self.bias)),
        }
        total = tf.add_n(list(kl.values()))
        metrics = {"nll": tf.stop_gradient(nll), "kl": total, **kl}
        return Info(nll + total / NUM_TRAIN, metrics)


def indices(steps: tf.Tensor) -> tf.Tensor:
    return batch_indices(steps, batch_size=BATCH_SIZE, num_train=NUM_TRAIN, seed=3)


class Job:
    """A toy problem with everything that `fit` takes, in a folder of its own."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.toy = options.pop("toy", None) or Toy()
        optimizer = options.pop("optimizer", None)
        self.optimizer = optimizer or keras.optimizers.Adam(0.05, clipnorm=1.0)
        loss = options.pop("loss", self.toy.loss)
        inputs = options.pop("inputs", self.toy.x)
        variables = options.pop("variables", None) or list(self.toy.trained.values())
        self.steps = TrainingSteps(
            Descent(
                lambda batch, noise: loss(batch.inputs, batch.targets, noise.step),
                self.optimizer,
                variables,
            ),
            ResidentBatches(inputs, self.toy.y, batch_size=BATCH_SIZE, seed=3),
            0,
            **{"steps_per_call": 4, "jit_compile": False, **options},
        )
        self.averages = Averages(["nll"])
        self.state = {
            "model": [self.toy.weights, self.toy.bias, self.toy.average],
            "optimizer": list(self.optimizer.variables),
        }
        self.checkpoints = Checkpoints(
            folder / "checkpoints", {**self.state, "averages": [self.averages.variable]}
        )

    @property
    def variables(self) -> list[keras.Variable]:
        return [v for part in self.state.values() for v in part]

    @property
    def values(self) -> list[np.ndarray]:
        """All state, optimizer included."""
        return [v.numpy() for v in self.variables]


def assert_same_bits(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def make_job(tmp_path: Path):
    """make_job(name="run", **options): a job in `tmp_path/name`."""
    return lambda name="run", **options: Job(tmp_path / name, **options)


@pytest.fixture(scope="session")
def job_class():
    return Job


@pytest.fixture
def same_bits():
    return assert_same_bits


@pytest.fixture
def step_indices():
    return indices
