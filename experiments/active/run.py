"""Learns digits and MNIST from few labels, chosen by disagreement, by entropy, and at random.

    python -m experiments.active.run [--report]

Writes `results.json`, the table of the README and `active.png`; about five minutes on two cores.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn.figures.canvas import BLACK, BLUE, VERMILION, canvas, shared_legend
from bnn.predictive import bald, predictive_variance, top_k
from experiments import study
from experiments.records import built_with, made, stamp, write_json

_HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
FIRST, AT_ONCE, ROUNDS = 20, 10, 14
POOL, TEST = 2000, 2000
STEPS, SAMPLES = 400, 32
HIDDEN, PRIOR_SCALE, KL_WEIGHT = 100, 0.3, 0.1
LIKELIHOOD = bnn.likelihoods.Categorical()
Score = Callable[[Any, np.random.Generator], np.ndarray]
SCORES: dict[str, Score] = {
    "random": lambda said, random: random.uniform(size=len(said.mean)),
    "BALD": lambda said, random: bald(said),
    "variance": lambda said, random: predictive_variance(said),
}
_LOOKS = {"random": (BLACK, ":", "s"), "BALD": (BLUE, "-", "o"), "variance": (VERMILION, "--", "^")}


class Learner:
    """A network that is fitted anew to few examples; one compiled step for all their numbers.

    ln p of the n labelled examples over n, the KL tempered and over n; local reparameterization,
    Adam, all examples in every step.

    Args:
      width: of the inputs.
      most: examples.
    """

    def __init__(self, width: int, most: int) -> None:
        prior = bnn.priors.Normal(scale=PRIOR_SCALE)
        options = {"kernel_prior": prior, "bias_prior": prior}
        self.model = bnn.models.mlp((width,), 10, hidden=(HIDDEN,), **options)
        self._most = most
        self._optimizer = keras.optimizers.Adam(3e-3)
        self._optimizer.build(self.model.trainable_variables)
        self._state = [*self.model.variables, *self._optimizer.variables]
        self._begin = [np.array(v) for v in self._state]
        estimator = bnn.estimators.LocalReparameterization()

        @tf.function(jit_compile=True, autograph=False)
        def gradients(x: tf.Tensor, y: tf.Tensor, known: tf.Tensor, seed: Any, step: Any) -> Any:
            count = tf.reduce_sum(known)
            with tf.GradientTape() as tape:
                with bnn.Draw(seed, estimator, step=step):
                    outputs = self.model(x)
                fits = -tf.nn.sparse_softmax_cross_entropy_with_logits(y, outputs)
                kl = tf.add_n(list(bnn.ledger(self.model).values()))
                loss = (KL_WEIGHT * kl - tf.reduce_sum(known * fits)) / count
            return tape.gradient(loss, self.model.trainable_variables)

        self._gradients = gradients

    def fit(self, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        """From the start, with the same first weights for each seed."""
        for variable, value in zip(self._state, self._begin, strict=True):
            variable.assign(value)
        empty = self._most - len(x)
        known = tf.constant(np.r_[np.ones(len(x)), np.zeros(empty)], tf.float32)
        x = tf.constant(np.concatenate([x, np.zeros((empty, x.shape[1]))]), tf.float32)
        y = tf.constant(np.r_[y, np.zeros(empty)], tf.int32)
        for step in range(STEPS):
            found = self._gradients(x, y, known, tf.constant(seed), tf.constant(step))
            self._optimizer.apply(found, self.model.trainable_variables)

    def says(self, x: np.ndarray) -> Any:
        """The predictive."""
        return bnn.predictive(self.model, LIKELIHOOD, x, SAMPLES)


def sets() -> dict[str, Any]:
    """The data sets by name."""
    return {"digits": bnn.data.digits(), "mnist": bnn.data.mnist(flatten=True)}


def learn(data: Any, learner: Learner, score: Score, seed: int) -> list[float]:
    """Test accuracy after each round; the first labels of a seed are the same for all scores."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(data.x_train))[:POOL]
    pool, labels = data.x_train[order], np.asarray(data.y_train)[order]
    test, truth = data.x_test[:TEST], np.asarray(data.y_test)[:TEST]
    chosen = np.arange(FIRST)
    accuracies = []
    for number in range(ROUNDS + 1):
        learner.fit(pool[chosen], labels[chosen], seed)
        accuracies.append(float(np.mean(learner.says(test).mean.argmax(axis=1) == truth)))
        if number < ROUNDS:
            rest = np.setdiff1d(np.arange(len(pool)), chosen)
            best = top_k(score(learner.says(pool[rest]), random), AT_ONCE)
            chosen = np.r_[chosen, rest[best]]
    return accuracies


def measure() -> dict[str, Any]:
    """Accuracies by data set and score, one list a seed."""
    rows: dict[str, Any] = {}
    for name, data in sets().items():
        learner = Learner(data.x_train.shape[1], FIRST + AT_ONCE * ROUNDS)
        rows[name] = {
            kind: [learn(data, learner, score, seed) for seed in SEEDS]
            for kind, score in SCORES.items()
        }
    now = stamp()
    return {"rows": rows, "about": f"seeds {SEEDS}, {made([now])}, {built_with(now)}"}


def table(held: dict[str, Any]) -> str:
    """The README's table, and what made it."""
    rows = held["rows"]
    shown = (0, ROUNDS // 2, ROUNDS)
    head = ["data", "chosen by", *(f"{FIRST + AT_ONCE * i} labels" for i in shown), "mean of all"]
    lines = []
    for name, scores in rows.items():
        for kind, runs in scores.items():
            values = 100 * np.array(runs)
            cells = [study.mean_error(values[:, i], 1) for i in shown]
            lines.append([name, kind, *cells, study.mean_error(values.mean(axis=1), 1)])
    about = f"`python -m experiments.active.run`, {held['about']}."
    return f"\n{study.markdown(head, lines)}\n{about}\n\n"


def _draw(rows: dict[str, Any], path: Path) -> None:
    counts = FIRST + AT_ONCE * np.arange(ROUNDS + 1)
    with canvas(path, width=7.0, height=2.9) as figure:
        for axis, (name, scores) in zip(figure.subplots(1, len(rows)), rows.items(), strict=True):
            for kind, (color, line, marker) in _LOOKS.items():
                mean = 100 * np.mean(scores[kind], axis=0)
                error = 100 * np.std(scores[kind], axis=0, ddof=1) / np.sqrt(len(SEEDS))
                axis.plot(counts, mean, color=color, linestyle=line, marker=marker, label=kind)
                axis.fill_between(counts, mean - error, mean + error, color=color, alpha=0.15, lw=0)
            axis.set(title=name, xlabel="Labels", ylabel="Test accuracy, %")
        shared_legend(figure)


def main(argv: list[str] | None = None) -> int:
    """Measures, unless only the report is asked for, and writes."""
    options = study.parse_options(study.study_parser(__doc__, _HERE, fast=False), argv)
    path = options.output / "results.json"
    if not options.report:
        write_json(path, measure())
    held = json.loads(path.read_text())
    study.write_readme(_HERE / "README.md", {"accuracy": table(held)}, options.output)
    _draw(held["rows"], options.output / "active.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
