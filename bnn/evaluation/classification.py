"""Metrics of class labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.evaluation.evaluation import Block, Evaluation, Examples, named, register
from bnn.likelihoods import Classification, Likelihood, Ordinal


class ClassificationEvaluation(Evaluation):
    """Proper scores, calibration and the split of the entropy.

    nll (nats per example), accuracy, error, brier, ece, ece_equal_mass, ece_classwise and
    ece_adaptive (15 bins), aurc (of the error, by the maximum probability), and the mean
    predictive, aleatoric and epistemic entropies (nats). Of ordered classes
    ranked_probability_score as well, Σ_k (P(Y ≤ k) − [k ≥ y])² (Epstein 1969).
    """

    task = "classification"

    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """`log_probs` `[S, B, C]`, nats; the mixture's, losses, scores and entropies."""
        del scaling, brief
        if not isinstance(likelihood, Classification):
            raise ValueError(
                f"likelihood must be a classification, got {type(likelihood).__name__}; subclass "
                "bnn.likelihoods.Classification."
            )
        log_probs = likelihood.log_probs(outputs).numpy()
        found = {
            "mixture": metrics.predictive_log_probs(log_probs),
            "aleatoric_entropy": metrics.aleatoric_entropy(log_probs),
            **named("score/", metrics.uncertainty_scores(log_probs)),
        }
        if targets is not None:
            found |= named("loss/", metrics.classification_losses(log_probs, targets))
            if isinstance(likelihood, Ordinal):
                ranked = likelihood.predictive(outputs).crps(targets)
                found["loss/ranked_probability"] = ranked.numpy()
            found["targets"] = targets
        return Block({"log_probs": log_probs}, found)

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        mixture, labels = examples["mixture"][np.newaxis], examples["targets"]
        wrong = metrics.classification_losses(mixture, labels)["error"]
        unsure = metrics.uncertainty_scores(mixture)["max_probability"]
        ordered = "loss/ranked_probability"
        ranked = float(np.mean(examples[ordered])) if ordered in examples else None
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
            **({} if ranked is None else {"ranked_probability_score": ranked}),
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
