"""Entropy of class predictions, split into an aleatoric and an epistemic part.

`predictive_entropy = aleatoric_entropy + epistemic_entropy` for every example.

References:
    Houlsby et al., "Bayesian Active Learning for Classification and Preference Learning", 2011.
    Depeweg et al., "Decomposition of Uncertainty in Bayesian Deep Learning for Efficient and
    Risk-sensitive Learning", ICML 2018.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from bnn.metrics._validation import FloatArray, check_log_probs
from bnn.metrics.classification import predictive_log_probs


def _entropy(log_probs: FloatArray) -> FloatArray:
    """`-sum_c p_c log p_c` over the last axis, with 0 log 0 = 0."""
    return entr(np.exp(log_probs)).sum(axis=-1)


def predictive_entropy(log_probs: ArrayLike) -> FloatArray:
    """Returns the entropy of the predictive mixture of each example: the total uncertainty.

    `H[p(y | x_b)]` with `p(c | x_b) = (1/S) sum_s exp(log_probs[s, b, c])`.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats; -inf is allowed.

    Returns:
        Entropies `[B]` in nats, from 0 to log C.

    Raises:
        ValueError: if `log_probs` is not `[S, B, C]`, has an empty axis, holds NaN or does not
            sum to one over classes.
    """
    return _entropy(predictive_log_probs(log_probs))


def aleatoric_entropy(log_probs: ArrayLike) -> FloatArray:
    """Returns the expected entropy of the samples: the uncertainty that more data cannot remove.

    `(1/S) sum_s H[p(y | x_b, w_s)]` with `p(c | x_b, w_s) = exp(log_probs[s, b, c])`.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats; -inf is allowed.

    Returns:
        Entropies `[B]` in nats, from 0 to log C.

    Raises:
        ValueError: as `predictive_entropy`.
    """
    return _entropy(check_log_probs(log_probs)).mean(axis=0)


def epistemic_entropy(log_probs: ArrayLike) -> FloatArray:
    """Returns the mutual information of label and weights: how much the samples disagree.

    `I[y; w | x_b] = H[p(y | x_b)] - (1/S) sum_s H[p(y | x_b, w_s)]` (Houlsby et al. 2011,
    equation 2; known as BALD), never negative: a difference below 0 is rounding and clipped.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats; -inf is allowed.

    Returns:
        Mutual information `[B]` in nats, from 0 to log min(S, C).

    Raises:
        ValueError: as `predictive_entropy`.
    """
    difference = predictive_entropy(log_probs) - aleatoric_entropy(log_probs)
    return np.maximum(difference, 0.0)
