"""Metrics of times to an event, some of which are censored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn.data import Dataset
from bnn.evaluation.counts import randomised
from bnn.evaluation.evaluation import Block, Evaluation, Examples, join, register
from bnn.evaluation.predictives import mixtures
from bnn.likelihoods import Likelihood, Mixture
from bnn.metrics.quantile_calibration import transform_calibration_error

_NODES = 64  # of the quadrature of the censored score
_PAIRS = 2**22  # that are compared at once


class SurvivalEvaluation(Evaluation):
    """Likelihood, score, discrimination and calibration under censoring on the right.

    nll, log_likelihood (nats per example: of a censored time that of being later), crps in the unit
    of time, ∫₀ᵗ F² + δ ∫ₜ^∞ (1 − F)² (Avati et al. 2020, equation 5), concordance (the share of
    comparable pairs whose predictive medians have the order of the times, Harrell et al. 1982; NaN
    where there is none), quantile_calibration_error of the transform F(t), for a censored time of
    a uniform point of (F(t), 1) by the noise of `CountsEvaluation`, and events, the share of times
    that are none of censoring.
    """

    task = "survival"

    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """Medians, CDF at the times, losses and scores."""
        unit = 1.0 if scaling is None or scaling.scale is None else float(scaling.scale[0])
        own = None
        if targets is not None:
            own = np.asarray(targets, np.float64) * [unit, 1.0]
        parts = [
            _examples(mixture, None if own is None else own[rows], brief)
            for rows, mixture in mixtures(likelihood, outputs, scale=unit)
        ]
        return Block({}, join(parts, axis=0))

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        nll, seen = float(np.mean(examples["loss/nll"])), examples["targets"][:, 1:]
        at = examples["pit"]
        later = randomised(at, np.ones_like(at))
        return {
            "nll": nll,
            "log_likelihood": -nll,
            "crps": float(np.mean(examples["loss/crps"])),
            "concordance": _concordance(examples),
            "quantile_calibration_error": float(
                np.mean(transform_calibration_error(np.where(seen == 1, at, later)))
            ),
            "events": float(np.mean(seen)),
        }

    def headline(self, examples: Examples) -> dict[str, float]:
        """NLL and concordance."""
        return {"nll": float(np.mean(examples["loss/nll"])), "concordance": _concordance(examples)}

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """None."""
        del examples, data, folder
        return {}


def _examples(mixture: Mixture, targets: np.ndarray | None, brief: bool) -> Examples:
    found = {
        "median": mixture.quantile(0.5).numpy()[:, 0],
        "score/predictive_std": mixture.stddev().numpy()[:, 0],
    }
    if targets is None:
        return found
    found |= {"loss/nll": -mixture.log_prob(targets).numpy(), "targets": targets}
    if brief:
        return found
    times, seen = targets[:, :1], targets[:, 1] == 1
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # t ((x + 1)/2)²: dense near 0, where a CDF may rise as a root.
    halves = (nodes + 1) / 2
    values = mixture.cdf(times * halves[:, np.newaxis, np.newaxis] ** 2).numpy()[..., 0]
    below = times[:, 0] * np.einsum("n,nb->b", weights * halves, values**2)
    return {
        **found,
        "loss/crps": np.where(seen, mixture.crps(times).numpy()[:, 0], below),
        "pit": mixture.cdf(times).numpy(),
    }


def _concordance(examples: Examples) -> float:
    return concordance(examples["median"], *examples["targets"].T)


def concordance(predicted: np.ndarray, times: np.ndarray, events: np.ndarray) -> float:
    """The share of comparable pairs that are in order; pairs of equal predictions count half.

    A pair is comparable where the earlier time is an event, or of equal times one alone is.

    Args:
      predicted: larger is later, `[B]`.
      times: `[B]`.
      events: 1 where seen, 0 where censored, `[B]`.
    """
    right, number = 0.0, 0
    size = max(1, _PAIRS // len(times))
    seen = np.flatnonzero(events == 1)
    for first in range(0, len(seen), size):
        rows = seen[first : first + size, np.newaxis]
        comparable = (times[rows] < times) | ((times[rows] == times) & (events == 0))
        order = (predicted[rows] < predicted) + 0.5 * (predicted[rows] == predicted)
        right += float(np.sum(order[comparable]))
        number += int(comparable.sum())
    return right / number if number else float("nan")


register(SurvivalEvaluation())
