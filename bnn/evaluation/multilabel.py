"""Metrics of labels of which each applies or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.evaluation.evaluation import Block, Evaluation, Examples, named, register, under
from bnn.evaluation.predictives import joint_nll, log_probs_by_sample
from bnn.likelihoods import Likelihood


class MultilabelEvaluation(Evaluation):
    """The joint likelihood, and accuracy, Brier score and calibration of every label.

    nll, log_likelihood (nats per example, of all labels jointly: they are independent given the
    weights only), exact_match (share of examples with every label right), and of each label
    accuracy, error, brier (Σ over both outcomes, as `bnn.metrics.brier`) and ece (of the outcome
    that is thought more probable, 15 bins): `accuracy/<label>` where there are several.
    """

    task = "multilabel"

    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """Mean probabilities, losses and scores."""
        del brief
        probs = likelihood.predictive(outputs).mean().numpy()
        names = getattr(scaling, "names", None)
        entropy = _entropy(probs)
        found = {
            "probs": probs,
            **named("score/", metrics.by_target("entropy", entropy, names)),
            # Names of the labels, where nothing else of the examples has them.
            **named("label", dict.fromkeys(_suffixes(probs, names), probs[:, 0])),
        }
        if targets is not None:
            y = np.asarray(targets).reshape(probs.shape).astype(np.int64)
            log_probs = log_probs_by_sample(likelihood, outputs, y)
            found["loss/nll"] = joint_nll(log_probs)
            wrong = ((probs > 0.5) != y).astype(np.float64)
            found |= named("loss/", metrics.by_target("error", wrong, names))
            found |= named("loss/", metrics.by_target("brier", 2 * (probs - y) ** 2, names))
            found["targets"] = y
        return Block({}, found)

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        y, nll = examples["targets"], float(np.mean(examples["loss/nll"]))
        wrong = (examples["probs"] > 0.5) != y
        found = {"nll": nll, "log_likelihood": -nll}
        found["exact_match"] = float(np.mean(~wrong.any(axis=1)))
        for column, label in enumerate(under("label", examples)):
            log_probs, outcomes = _outcomes(examples["probs"][:, column]), y[:, column]
            found[f"accuracy{label}"] = 1.0 - float(np.mean(examples[f"loss/error{label}"]))
            found[f"error{label}"] = float(np.mean(examples[f"loss/error{label}"]))
            found[f"brier{label}"] = float(np.mean(examples[f"loss/brier{label}"]))
            found[f"ece{label}"] = metrics.ece(log_probs, outcomes)
        return found

    def headline(self, examples: Examples) -> dict[str, float]:
        """NLL, and the mean accuracy over the labels."""
        wrong = (examples["probs"] > 0.5) != examples["targets"]
        nll = float(np.mean(examples["loss/nll"]))
        return {"nll": nll, "accuracy": 1.0 - float(np.mean(wrong))}

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """The reliability diagram of all labels together."""
        log_probs = _outcomes(examples["probs"].ravel())
        y = examples["targets"].ravel()
        bins = metrics.reliability(log_probs, y)
        path = folder / "reliability.png"
        error = metrics.ece(log_probs, y)
        figures.reliability_diagram(bins.confidence, bins.accuracy, bins.count, path, ece=error)
        return {"reliability": path}


def _suffixes(probs: np.ndarray, names: Sequence[str] | None) -> list[str]:
    """What the names of the labels' metrics end in."""
    return [name.removeprefix("x") for name in metrics.by_target("x", probs, names)]


def _outcomes(probs: np.ndarray) -> np.ndarray:
    """Log-probabilities of both outcomes, `[1, B, 2]`."""
    with np.errstate(divide="ignore"):
        return np.stack([np.log1p(-probs), np.log(probs)], axis=-1)[np.newaxis]


def _entropy(probs: np.ndarray) -> np.ndarray:
    """−p ln p − (1 − p) ln(1 − p), nats, elementwise."""
    p = tf.constant(probs)
    return -(tf.math.xlogy(p, p) + tf.math.xlogy(1 - p, 1 - p)).numpy()


register(MultilabelEvaluation())
