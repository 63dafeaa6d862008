"""Stacking: all candidates mixed, with weights that each split's validation rows give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from experiments.uci.choice import Result, titles_of_every_set

STACKED = "stacked on validation data"
_TOLERANCE = 1e-5  # nats; tables show thousandths
_ITERATIONS = 1_000_000  # seconds; some thousands are usual


class Points(NamedTuple):
    """One member's predictive at each row that it predicts."""

    target: np.ndarray  # `[B]`, in the target's own units
    log_density: np.ndarray  # of the predictive at the target, `[B]`, nats
    mean: np.ndarray  # of the predictive, `[B]`, target units
    pit: np.ndarray  # CDF of the predictive at the target, `[B]`

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Points:
        """From a row of a unit's file."""
        return cls(*(np.array(row["points"][name], np.float64) for name in cls._fields))


# Set, title of the candidate, split and part, "valid" or "test".
Key = tuple[str, str, int, str]


class Weights(NamedTuple):
    """One split's weights."""

    set: str  # folder of the set
    split: int  # number of the split
    of: dict[str, float]  # title of each candidate to its weight; they sum to 1
    # the best candidate leads the second by no more than one standard error, of their paired
    # difference in log-density over the validation rows: the choice of one is within its
    # noise
    close: bool


def stacking_weights(log_densities: ArrayLike) -> np.ndarray:
    """The weights `[K]` of the mixture with the greatest likelihood at the rows.

    `max_w (1/N) sum_i log sum_k w_k p_k(y_i)` over the simplex, which is concave, by EM from equal
    weights: `w_k <- w_k g_k` with `g_k = (1/N) sum_i p_k(y_i) / sum_j w_j p_j(y_i)`. By concavity
    no weights are better by more than `max_k g_k - 1` nats; it ends where that is below 1e-5.

    Args:
      log_densities: `log p_k(y_i)`, `[K, N]`, nats; of rows that the K predictives were not
        trained on.

    Raises:
      ValueError: not `[K, N]` with at least one of each, or not finite.
      RuntimeError: the bound is not reached.

    References:
      Yao, Vehtari, Simpson and Gelman, "Using stacking to average Bayesian predictive
      distributions", Bayesian Analysis 13(3), 2018, section 3 (there with leave-one-out densities
      in place of held-out rows).
    """
    logs = np.asarray(log_densities, np.float64)
    if logs.ndim != 2 or 0 in logs.shape or not np.isfinite(logs).all():
        raise ValueError(
            f"log_densities must be finite, [K, N] with K >= 1 and N >= 1, got shape {logs.shape} "
            f"with {np.sum(~np.isfinite(logs))} values that are not finite."
        )
    p = np.exp(logs - logs.max(axis=0))  # a factor per row changes no weight
    weights = np.full(len(p), 1 / len(p))
    for _ in range(_ITERATIONS):
        gain = p @ (1 / (weights @ p)) / p.shape[1]
        if gain.max() - 1 < _TOLERANCE:
            return weights
        weights = weights * gain
    raise RuntimeError(
        f"the weights of {len(p)} predictives may still gain {gain.max() - 1:.1e} nats after "
        f"{_ITERATIONS} iterations; {_TOLERANCE:.0e} was required."
    )


def stacked(
    results: Sequence[Result], points: Mapping[Key, Points]
) -> tuple[list[Result], list[Weights]]:
    """For each split, the mixture of its candidates' predictives, and the weights.

    Each split takes its weights from the rows held out of its own training part. What is reported
    is the mixture of the candidates trained on the whole training part, `sum_k w_k p_k`, whose mean
    and CDF are the weighted ones. There is no validation result: the weights are fitted to those
    rows. There is no ELBO either. Candidates that some set lacks are left out, as in `chosen`.

    Raises:
      ValueError: the candidates of a split have predicted different rows.
    """
    titles = [
        t for t in dict.fromkeys(r.title for r in results) if t in titles_of_every_set(results)
    ]
    samples = {(r.set, r.split): r.samples for r in results if r.part == "test"}
    found, given = [], []
    for (name, split), number in sorted(samples.items()):
        valid, test = (_together(points, name, titles, split, part) for part in ("valid", "test"))
        weights = stacking_weights(valid.log_density)
        density = logsumexp(test.log_density, axis=0, b=weights[:, None])
        pit = weights @ test.pit
        found.append(
            Result(
                name, STACKED, split, "test", number,
                log_likelihood=float(density.mean()),
                rmse=float(np.sqrt(np.mean((weights @ test.mean - test.target[0]) ** 2))),
                coverage_95=float(np.mean((pit >= 0.025) & (pit <= 0.975))),
                elbo=None,
            )
        )  # fmt: skip
        of = dict(zip(titles, weights.tolist(), strict=True))
        given.append(Weights(name, split, of, _is_close(valid.log_density)))
    return found, given


def _is_close(log_density: np.ndarray) -> bool:
    if len(log_density) < 2:
        return False
    second, best = log_density[np.argsort(log_density.mean(axis=1))[-2:]]
    lead = best - second
    return bool(lead.mean() <= lead.std(ddof=1) / np.sqrt(len(lead)))


def _together(
    points: Mapping[Key, Points], name: str, titles: Sequence[str], split: int, part: str
) -> Points:
    """All candidates' points of a split's part, `[K, B]` each."""
    each = [points[name, title, split, part] for title in titles]
    if any(not np.array_equal(one.target, each[0].target) for one in each):
        raise ValueError(
            f"all candidates must have predicted the same {part} rows of {name}, split {split}; "
            "the data have changed between units. Name another --workdir, or delete the old ones."
        )
    return Points(*(np.stack(values) for values in zip(*each, strict=True)))
