"""Which inputs of a pool to label next: scores of a `Predictive`, larger is sooner."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnn.predictive.predictive import Predictive


def bald(said: Predictive) -> np.ndarray:
    """The mutual information of target and weights, nats `[N]` (Houlsby et al. 2011, equation 2).

    For classes H[E p] − E H[p], exactly `said.epistemic`. For numbers that of a normal target,
    Σ_d ½ ln(total variance/aleatoric variance) of columns that count as independent: exact where
    the noise does not depend on the weights and the mean is normal over them.
    """
    if said.likelihood.task == "classification":
        return said.epistemic
    return 0.5 * np.sum(np.log(said.total) - np.log(said.aleatoric), axis=1)


def expected_entropy(said: Predictive) -> np.ndarray:
    """E_w H[p(y | x, w)], nats `[N]`: what stays unsure however much is learned; of classes.

    Large where labels are noise: the part that `bald` takes off the entropy, not a substitute.

    Raises:
      ValueError: for numbers.
    """
    if said.likelihood.task != "classification":
        raise ValueError(
            f"expected_entropy is of classes, got {type(said.likelihood).__name__}; use bald or "
            "predictive_variance for numbers."
        )
    return said.aleatoric


def predictive_variance(said: Predictive, column: int | None = None) -> np.ndarray:
    """The variance of the target, `[N]`: squared target units; of classes 1 − Σ p², of one-hots.

    Args:
      said: of the pool.
      column: of several target columns, whose units have no sum; None for one, or for classes.

    Raises:
      ValueError: several columns, and none chosen.
    """
    if said.likelihood.task == "classification":
        return 1 - np.sum(said.mean**2, axis=1)
    total = said.total
    if column is None and total.shape[1] > 1:
        raise ValueError(
            f"column must be given, one of 0 to {total.shape[1] - 1}: variances of several targets "
            "have units of their own; got None."
        )
    return total[:, column or 0]


def top_k(scores: Any, k: int) -> np.ndarray:
    """The places of the k largest scores, largest first, of equal ones the earlier.

    Each by itself: near neighbours can all be among them, and say nearly the same.

    Args:
      scores: `[N]`, finite.
      k: from 1 to N.

    Raises:
      ValueError: another shape, scores that are not finite, or another k.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(
            f"scores must be finite numbers [N], one an input, got shape {scores.shape} with "
            f"{int((~np.isfinite(scores)).sum())} that are not finite."
        )
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= len(scores):
        raise ValueError(f"k must be an integer from 1 to {len(scores)}, got {k!r}.")
    return np.argsort(-scores, kind="stable")[:k]
