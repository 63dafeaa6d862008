"""Metrics of sequences and images: those of the positions, and the joint likelihood."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.data import Dataset
from bnn.evaluation.evaluation import (
    Block,
    Evaluation,
    Examples,
    evaluation_of,
    named,
    register,
    under,
)
from bnn.evaluation.predictives import joint_nll, log_probs_by_sample, own_units, units
from bnn.likelihoods import Likelihood, Positions


class PositionsEvaluation(Evaluation):
    """The inner task's metrics over all valid positions, and joint_nll, nats per example.

    A position counts where the likelihood counts it: where its target is not `ignore` and the mask
    of the outputs, if they carry one, is True. The inner nll is of each position by itself;
    joint_nll is −log (1/S) Σₛ ∏_t p(y_t | x, wₛ), as the positions share the weights. Recorded
    example by example are this joint loss as `nll`, and the means over an example's valid positions
    of the inner task's other losses and scores, 0 where it has none.
    """

    task = "positions"
    inner: Evaluation

    def of(self, likelihood: Likelihood) -> PositionsEvaluation:
        """With the evaluation of the inner likelihood."""
        assert isinstance(likelihood, Positions)
        bound = copy.copy(self)
        bound.inner = evaluation_of(likelihood.likelihood)
        return bound

    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """Examples of the positions, and per example the joint loss and means."""
        assert isinstance(likelihood, Positions)
        num_examples = outputs.shape[1]
        known = targets is not None
        if not known:  # then every position counts
            likelihood = Positions(likelihood.likelihood)
            targets = np.zeros(outputs.shape[1:-1], np.int32)
        flat, tensor = likelihood.flatten(outputs, targets)
        at = tensor.numpy()
        owner = _owners(likelihood, outputs, targets)
        wanted = at if known else None
        found = self.inner.block(likelihood.likelihood, flat, wanted, scaling, brief)
        positions = {n: np.asarray(a) for n, a in found.examples.items()}
        examples = named("position/", positions)
        for name, values in positions.items():
            if name.startswith(("loss/", "score/")):
                examples[name] = _means(values, owner, num_examples)
        if known:
            joint = position_log_probs(likelihood, outputs, targets, scaling)
            examples["loss/nll"] = joint_nll(joint)
            examples["targets"] = np.asarray(targets)
        return Block({}, examples)

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        joint = float(np.mean(examples["loss/nll"]))
        return {**self.inner.metrics(under("position/", examples)), "joint_nll": joint}

    def headline(self, examples: Examples) -> dict[str, float]:
        """The inner task's."""
        return self.inner.headline(under("position/", examples))

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """The inner task's, over all positions."""
        return self.inner.figures(under("position/", examples), data, folder)


def position_log_probs(
    likelihood: Positions, outputs: tf.Tensor, targets: Any, scaling: Any
) -> np.ndarray:
    """Σ_t log p(y_bt | outputsₛ) over the valid positions, `[S, B]`, in the targets' own units."""
    flat, at = likelihood.flatten(outputs, targets)
    scales = units(scaling)
    own = own_units(at.numpy(), scaling) if scales else at
    each = log_probs_by_sample(likelihood.likelihood, flat, own, **scales)
    owner = _owners(likelihood, outputs, targets)
    return np.stack([np.bincount(owner, row, outputs.shape[1]) for row in each])


def _owners(likelihood: Positions, outputs: tf.Tensor, targets: Any) -> np.ndarray:
    """Which example every valid position belongs to, in the order of `flatten`."""
    shape = [outputs.shape[1], *[1] * (len(outputs.shape) - 3), 1]
    numbers = np.arange(outputs.shape[1], dtype=np.float64).reshape(shape)
    numbers = np.broadcast_to(numbers, [*outputs.shape[1:-1], 1])[np.newaxis]
    return likelihood.flatten(tf.constant(numbers), targets)[0].numpy()[0, :, 0].astype(np.int64)


def _means(values: np.ndarray, owner: np.ndarray, num_examples: int) -> np.ndarray:
    counts = np.bincount(owner, minlength=num_examples)
    return np.bincount(owner, values, num_examples) / np.maximum(counts, 1)


register(PositionsEvaluation())
