"""Metrics of several targets, each with a task of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
from bnn.evaluation.joint import sample_log_probs
from bnn.evaluation.predictives import joint_nll
from bnn.likelihoods import Heads, Likelihood


class HeadsEvaluation(Evaluation):
    """A table for every head, `<head>/<metric>`, and the joint nll of all, nats per example.

    nll is −log (1/S) Σₛ ∏_h p_h(y_h | x, wₛ), not the sum of the heads': they share the weights. A
    head's weight in training does not enter it.
    """

    task = "heads"
    inner: dict[str, Evaluation]

    def of(self, likelihood: Likelihood) -> HeadsEvaluation:
        """With the evaluations of the heads."""
        assert isinstance(likelihood, Heads)
        bound = copy.copy(self)
        bound.inner = {}
        for name, head in likelihood.likelihoods.items():
            bound.inner[name] = copy.copy(evaluation_of(head))
            bound.inner[name].target = name
        return bound

    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """The examples of every head, its losses and scores by `<head>/<name>`, and the joint."""
        assert isinstance(likelihood, Heads)
        parts = likelihood.split("outputs", outputs)
        wanted = None if targets is None else likelihood.split("targets", targets)
        examples: Examples = {}
        joint: np.ndarray | float = 0.0
        for name, head in likelihood.likelihoods.items():
            own = scaling[name] if isinstance(scaling, Mapping) else None
            of_head = None if wanted is None else wanted[name]
            inner = self.inner[name].block(head, parts[name], of_head, own, brief)
            found = inner.examples
            examples |= named(f"head/{name}/", found)
            for kind in ("loss/", "score/"):
                examples |= named(f"{kind}{name}/", under(kind, found))
            if of_head is not None:
                joint = joint + sample_log_probs(head, parts[name], of_head, own)
        if wanted is not None:
            assert isinstance(joint, np.ndarray)
            examples["loss/nll"] = joint_nll(joint)
            columns = [examples[f"head/{name}/targets"] for name in self.inner]
            flat = [np.reshape(y, (len(y), -1)).astype(np.float64) for y in columns]
            examples["targets"] = np.concatenate(flat, axis=1)
        return Block({}, examples)

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        return self._tables("metrics", examples)

    def headline(self, examples: Examples) -> dict[str, float]:
        """The joint NLL, and every head's headline."""
        return self._tables("headline", examples)

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """Those of every head, in a folder of its own."""
        paths: dict[str, Path] = {}
        for name, evaluation in self.inner.items():
            place = folder / name
            place.mkdir(parents=True, exist_ok=True)
            found = evaluation.figures(under(f"head/{name}/", examples), data, place)
            paths |= named(f"{name}/", found)
        return paths

    def _tables(self, which: str, examples: Examples) -> dict[str, float]:
        found = {"nll": float(np.mean(examples["loss/nll"]))}
        for name, evaluation in self.inner.items():
            table = getattr(evaluation, which)(under(f"head/{name}/", examples))
            found |= named(f"{name}/", table)
        return found


register(HeadsEvaluation())
