"""The expected log-likelihood where outputs are normal with independent elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.likelihoods import Bernoulli, Categorical, Likelihood, Normal, Poisson

_NODES = 32


def expected_log_prob(
    likelihood: Likelihood,
    mean: tf.Tensor,
    variance: tf.Tensor,
    targets: Any,
    covariance: tf.Tensor | None = None,
) -> tf.Tensor:
    """E[log p(y | f)] or a lower bound of it, f_c ~ N(m_c, v_c), `[B]`, nats, differentiable.

        Normal       log N(y; m, τ²) − ½ Σ_d v_d / τ_d²
        Categorical  Σ_c t_c m_c − ln Σ_c exp(m_c + ½ v_c), by Jensen's inequality a bound; t_c = 1
                     for the label's class, or what label smoothing makes of it
        Poisson      Σ_d y_d m_d − exp(m_d + ½ v_d) − ln y_d!
        Bernoulli    by Gauss–Hermite quadrature with 32 nodes, column by column

    (Normal, Categorical: Harrison et al. 2024, section 3.) The bound is below the expectation by
    the gap of Jensen's inequality, which goes to 0 with the variance. All but Categorical need the
    variances alone. With the outputs' covariance Σ its bound is that of their differences from
    tᵀf, which what all outputs have in common does not widen:

        Categorical  −ln Σ_c exp(m_c − tᵀm + ½ (Σ_cc − 2 (Σ t)_c + tᵀ Σ t))

    Args:
      likelihood: one of these.
      mean: m, `[B, C]`.
      variance: v, `[B, C]`.
      targets: as the likelihood takes them.
      covariance: Σ, `[B, C, C]`, or None where outputs are independent.
    """
    if covariance is not None and require_expected(likelihood) is Categorical:
        return _correlated(likelihood, mean, covariance, targets)
    return _FORMULAS[require_expected(likelihood)](likelihood, mean, variance, targets)


def require_expected(likelihood: Likelihood) -> type:
    """The likelihood's class, where there is a formula for it; ValueError elsewhere."""
    if type(likelihood) not in _FORMULAS:
        names = ", ".join(sorted(kind.__name__ for kind in _FORMULAS))
        raise ValueError(
            "the expected log-likelihood under normal outputs must be known in closed form, which "
            f"is so for {names}, got {type(likelihood).__name__}; use the method "
            "VariationalInference, which samples."
        )
    return type(likelihood)


def _normal(likelihood: Any, mean: tf.Tensor, variance: tf.Tensor, targets: Any) -> tf.Tensor:
    spread = variance / tf.square(likelihood.parameters(mean)[1])
    return likelihood.checked_log_prob(mean, targets) - 0.5 * tf.reduce_sum(spread, -1)


def _categorical(likelihood: Any, mean: tf.Tensor, variance: tf.Tensor, targets: Any) -> tf.Tensor:
    more = likelihood.checked_log_prob(mean + 0.5 * variance, targets)  # first: it checks labels
    labels, smoothing = tf.reshape(tf.cast(targets, tf.int32), [-1]), likelihood.label_smoothing
    own = tf.reduce_sum(tf.one_hot(labels, variance.shape[-1]) * variance, -1)
    return more - 0.5 * ((1 - smoothing) * own + smoothing * tf.reduce_mean(variance, -1))


def _correlated(likelihood: Any, mean: tf.Tensor, covariance: tf.Tensor, targets: Any) -> tf.Tensor:
    checked = likelihood.checked_log_prob(mean, targets)  # NaN for labels that are none
    size, smoothing = mean.shape[-1], likelihood.label_smoothing
    labels = tf.one_hot(tf.reshape(tf.cast(targets, tf.int32), [-1]), size)
    shares = (1 - smoothing) * labels + smoothing / size
    across = tf.linalg.matvec(covariance, shares)
    spread = tf.linalg.diag_part(covariance) - 2 * across
    spread += tf.reduce_sum(shares * across, -1, keepdims=True)
    gap = mean - tf.reduce_sum(shares * mean, -1, keepdims=True)
    bound = -tf.reduce_logsumexp(gap + 0.5 * spread, -1)
    return tf.where(tf.math.is_nan(checked), tf.cast(checked, bound.dtype), bound)


def _poisson(likelihood: Any, mean: tf.Tensor, variance: tf.Tensor, targets: Any) -> tf.Tensor:
    counts = tf.reshape(tf.cast(targets, mean.dtype), tf.shape(mean))
    more = likelihood.checked_log_prob(mean + 0.5 * variance, targets)
    return more - 0.5 * tf.reduce_sum(counts * variance, -1)


def _bernoulli(likelihood: Any, mean: tf.Tensor, variance: tf.Tensor, targets: Any) -> tf.Tensor:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    stddev = tf.sqrt(tf.maximum(variance, 1e-12))  # a root of 0 has no gradient
    return tf.add_n(
        [
            float(weight) * likelihood.checked_log_prob(mean + float(node) * stddev, targets)
            for node, weight in zip(nodes, weights, strict=True)
        ]
    )


_FORMULAS: dict[type, Callable[..., tf.Tensor]] = {
    Bernoulli: _bernoulli,
    Categorical: _categorical,
    Normal: _normal,
    Poisson: _poisson,
}
