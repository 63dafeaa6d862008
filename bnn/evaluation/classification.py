"""Metrics of class labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.evaluation.evaluation import Evaluation, Examples, register
from bnn.likelihoods import Classification, Likelihood


class ClassificationEvaluation(Evaluation):
    """Proper scores, calibration and the split of the entropy.

    nll (nats per example), accuracy, error, brier, ece, ece_equal_mass, ece_classwise and
    ece_adaptive (15 bins), aurc (of the error, by the maximum probability), and the mean
    predictive, aleatoric and epistemic entropies (nats).
    """

    task = "classification"

    def samples(
        self, likelihood: Likelihood, outputs: tf.Tensor, data: Dataset | None
    ) -> dict[str, np.ndarray]:
        """`log_probs` `[S, B, C]`, nats."""
        if not isinstance(likelihood, Classification):
            raise ValueError(
                f"likelihood must be a classification, got {type(likelihood).__name__}; subclass "
                "bnn.likelihoods.Classification."
            )
        return {"log_probs": likelihood.log_probs(outputs).numpy()}

    def examples(
        self, samples: Mapping[str, np.ndarray], targets: np.ndarray | None, data: Dataset | None
    ) -> Examples:
        """The mixture's log-probabilities, losses, scores and entropies."""
        log_probs = samples["log_probs"]
        found = {
            "mixture": metrics.predictive_log_probs(log_probs),
            "aleatoric_entropy": metrics.aleatoric_entropy(log_probs),
        }
        scores = metrics.uncertainty_scores(log_probs)
        found |= {f"score/{name}": values for name, values in scores.items()}
        if targets is None:
            return found
        losses = metrics.classification_losses(log_probs, targets)
        found |= {f"loss/{name}": values for name, values in losses.items()}
        return found | {"targets": targets}

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        mixture, labels = examples["mixture"][np.newaxis], examples["targets"]
        wrong = metrics.classification_losses(mixture, labels)["error"]
        unsure = metrics.uncertainty_scores(mixture)["max_probability"]
        return {
            "nll": metrics.nll(mixture, labels),
            "accuracy": metrics.accuracy(mixture, labels),
            "error": metrics.error(mixture, labels),
            "brier": metrics.brier(mixture, labels),
            "ece": metrics.ece(mixture, labels),
            "ece_equal_mass": metrics.ece_equal_mass(mixture, labels),
            "ece_classwise": metrics.ece_classwise(mixture, labels),
            "ece_adaptive": metrics.ece_adaptive(mixture, labels),
            "aurc": metrics.aurc(unsure, wrong),
            "predictive_entropy": float(np.mean(metrics.predictive_entropy(mixture))),
            "aleatoric_entropy": float(np.mean(examples["aleatoric_entropy"])),
            "epistemic_entropy": float(np.mean(examples["score/mutual_information"])),
        }

    def headline(self, examples: Examples) -> dict[str, float]:
        """NLL, accuracy and ECE."""
        mixture, labels = examples["mixture"][np.newaxis], examples["targets"]
        return {
            "nll": metrics.nll(mixture, labels),
            "accuracy": metrics.accuracy(mixture, labels),
            "ece": metrics.ece(mixture, labels),
        }

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """The reliability diagram of the mixture."""
        mixture, labels = examples["mixture"][np.newaxis], examples["targets"]
        bins = metrics.reliability(mixture, labels)
        path = folder / "reliability.png"
        figures.reliability_diagram(
            bins.confidence, bins.accuracy, bins.count, path, ece=metrics.ece(mixture, labels)
        )
        return {"reliability": path}


register(ClassificationEvaluation())
