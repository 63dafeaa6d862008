"""Which inputs of a pool to label next: scores of a `Predictive`, larger is sooner."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnn.predictive.predictive import Predictive

_SUM_TOLERANCE = 1e-4  # far above the rounding of a float32 log-softmax


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
      ValueError: several columns, and none chosen; or a column that is not there.
    """
    if said.likelihood.task == "classification":
        return 1 - np.sum(said.mean**2, axis=1)
    total = said.total
    if column is None and total.shape[1] > 1:
        raise ValueError(
            f"column must be given, one of 0 to {total.shape[1] - 1}: variances of several targets "
            "have units of their own; got None."
        )
    if column is None:
        return total[:, 0]
    integer = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    if not integer or not 0 <= column < total.shape[1]:
        raise ValueError(f"column must be from 0 to {total.shape[1] - 1}, got {column!r}.")
    return total[:, column]


def disagreement(log_probs: Any) -> np.ndarray:
    """KL(pₛ ‖ p̄) of each function to the mixture of all, nats `[S, N]`; for `thompson`.

    Its mean over the functions is `bald`: Σ_c p_sc (ln p_sc − ln p̄_c), averaged, is H[p̄] − mean H.

    Args:
      log_probs: `[S, N, C]`, such as `bnn.likelihoods.Categorical().log_probs(bnn.predict(…))`.

    Raises:
      ValueError: another shape, or what is no logarithm of probabilities, such as logits.
    """
    log_probs = np.asarray(log_probs, np.float64)
    if log_probs.ndim != 3:
        raise ValueError(
            f"log_probs must have shape [S, N, C], of every function, got {log_probs.shape}; take "
            "the likelihood's log_probs of bnn.predict's outputs."
        )
    probs = np.exp(log_probs)
    wrong = ~(np.abs(probs.sum(axis=-1) - 1) <= _SUM_TOLERANCE)
    if wrong.any():
        sample, row = np.argwhere(wrong)[0]
        raise ValueError(
            "log_probs must be logarithms of probabilities that sum to 1, got a sum of "
            f"{probs[sample, row].sum():.6g} of function {sample} in row {row}; take log_softmax "
            "of logits."
        )
    mixture = probs.mean(axis=0)
    # An impossible class counts for nothing, whatever its logarithms are.
    differences = np.where(probs > 0, log_probs, 0) - np.log(np.where(mixture > 0, mixture, 1))
    return np.maximum(np.sum(probs * differences, axis=-1), 0)


def thompson(scores: Any, k: int) -> np.ndarray:
    """Different places, k of them, each the choice of another function (Thompson 1933; in batches).

    Function 0 takes the input that it scores highest, function 1 the highest of those that are
    left, and so on: an input is taken as often as functions find it best, and a batch is as varied
    as the functions are. With `scores` the functions' own values of a regression,
    `bnn.predict(…)[:, :, 0]`, it looks for the largest value; with those of `disagreement` for
    information.

    Args:
      scores: `[S, N]`, finite: what each function says of every input.
      k: from 1 to the smaller of S and N.

    Raises:
      ValueError: another shape, scores that are not finite, or another k.
    """
    scores = np.array(scores, np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError(
            "scores must be finite numbers [S, N], one a function and input, got shape "
            f"{scores.shape} with {int((~np.isfinite(scores)).sum())} that are not finite."
        )
    _require_count(k, min(scores.shape))
    taken: list[int] = []
    for own in scores[:k]:
        own[taken] = -np.inf
        taken.append(int(np.argmax(own)))
    return np.array(taken)


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
    _require_count(k, len(scores))
    return np.argsort(-scores, kind="stable")[:k]


def _require_count(k: Any, most: int) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= most:
        raise ValueError(f"k must be an integer from 1 to {most}, got {k!r}.")
