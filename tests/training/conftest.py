"""A training problem without a network: least squares with noise that depends on the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.data import batch_indices
from bnn.training import Averages, Checkpoints, TrainingSteps

NUM_TRAIN, BATCH_SIZE = 12, 4


class Terms(NamedTuple):
    """What the training loop needs of an objective's terms."""

    loss: tf.Tensor
    nll: tf.Tensor
    kl: tf.Tensor
    kl_by_site: dict[str, tf.Tensor]


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

    def loss(self, inputs: tf.Tensor, targets: tf.Tensor, step: tf.Tensor) -> Terms:
        self.calls += 1
        noise = 0.1 * tf.sin(13.0 * tf.cast(step, tf.float32))
        mean = tf.matmul(inputs, tf.convert_to_tensor(self.weights)) + self.bias + noise
        nll = tf.reduce_mean(tf.square(mean - targets)) + 0.01 * self.average
        self.average.assign(0.5 * self.average + 0.5 * tf.stop_gradient(nll))
        kl = {
            "0_dense/kernel": tf.reduce_sum(tf.square(self.weights)),
            "0_dense/bias": tf.reduce_sum(tf.square(self.bias)),
        }
        total = tf.add_n(list(kl.values()))
        return Terms(nll + total / NUM_TRAIN, tf.stop_gradient(nll), total, kl)


def indices(steps: tf.Tensor) -> tf.Tensor:
    return batch_indices(steps, batch_size=BATCH_SIZE, num_train=NUM_TRAIN, seed=3)


class Job:
    """A toy problem with everything that `fit` takes, in a folder of its own."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.toy = options.pop("toy", None) or Toy()
        optimizer = options.pop("optimizer", None)
        self.optimizer = optimizer or keras.optimizers.Adam(0.05, clipnorm=1.0)
        self.steps = TrainingSteps(
            options.pop("loss", self.toy.loss),
            indices,
            options.pop("inputs", self.toy.x),
            self.toy.y,
            self.optimizer,
            list(self.toy.trained.values()),
            **{"steps_per_call": 4, "jit_compile": False, **options},
        )
        self.averages = Averages()
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
