"""One training of one network, deterministic or Bayesian, and its scores."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn.metrics import ece
from experiments.sequences.chains import Task

NETWORKS = ("LSTM", "Transformer")
KINDS = ("deterministic", "Bayesian")
SAMPLES = 32
TEST_SEED = 1_000_003


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes, and what is the same for all; the learning rate is chosen on validation data."""

    train: int = 32_768
    valid: int = 2048
    test: int = 8192
    epochs: int = 12
    batch: int = 256
    width: int = 16
    units: int = 32
    rates: tuple[float, ...] = (0.003, 0.01, 0.03)


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained."""

    network: str
    kind: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.network}-{self.kind}-{self.rate:g}-{self.seed}"


def train(case: Case, settings: Settings, task: Task, scored: str) -> dict[str, float]:
    """Trains on the seed's own examples and weights; scores on `"valid"` or `"test"` ones."""
    start = time.process_time()
    keras.utils.set_random_seed(case.seed)
    x, y = task.draw(settings.train, case.seed)
    steps = settings.epochs * -(-settings.train // settings.batch)
    rate = bnn.schedules.Cosine(case.rate).for_keras(steps)
    network = build(case.network, settings, task)
    options: dict[str, Any] = {
        "epochs": settings.epochs,
        "batch_size": settings.batch,
        "verbose": 0,
    }
    if scored == "valid":
        inputs, classes = task.draw(settings.valid, 2**20 + case.seed)
    else:
        inputs, classes = task.draw(settings.test, TEST_SEED)
    if case.kind == "deterministic":
        plain = bnn.to_keras(network)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        plain.compile(keras.optimizers.Adam(rate), loss)
        plain.fit(x, y, **options)
        predicted = tf.nn.softmax(plain.predict(inputs, batch_size=1024, verbose=0)).numpy()
    else:
        model = bnn.BayesianModel(network, bnn.likelihoods.Categorical(), seed=case.seed)
        warm = bnn.schedules.LinearWarmup(1.0, fraction=0.5)  # and then the whole KL
        model.compile(keras.optimizers.Adam(rate), kl_weight=warm)
        model.fit(x, y, **options)
        predicted = np.asarray(model.predictive(inputs, SAMPLES).mean)
    return scores(predicted, classes) | {"seconds": time.process_time() - start}


def build(network: str, settings: Settings, task: Task) -> keras.Model:
    """The Bayesian network; the deterministic one begins at its means."""
    shape, count = (task.length,), task.num_classes
    families = {
        "kernel_prior": bnn.priors.FanInNormal(),
        "kernel_posterior": bnn.posteriors.MeanFieldNormal(0.02),
        "bias_posterior": bnn.posteriors.MeanFieldNormal(0.02),
    }
    known = {"num_tokens": task.num_tokens, "width": settings.width, **families}
    if network == "LSTM":
        return bnn.models.lstm_classifier(shape, count, units=settings.units, **known)
    return bnn.models.transformer_classifier(shape, count, num_heads=2, **known)


def scores(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Accuracy in %, NLL in nats, expected calibration error in % of 15 bins."""
    right = np.maximum(probabilities[np.arange(len(classes)), classes], 1e-12)
    return {
        "accuracy": 100 * float(np.mean(probabilities.argmax(-1) == classes)),
        "nll": -float(np.mean(np.log(right))),
        "ece": 100 * float(ece(np.log(np.maximum(probabilities, 1e-12))[None], classes)),
    }
