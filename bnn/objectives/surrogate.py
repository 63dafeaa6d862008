"""One surrogate for all estimators: f's value, and the right gradient."""

from __future__ import annotations

import tensorflow as tf

from bnn.estimators import Baseline


def surrogate(
    values: tf.Tensor,
    scores: tf.Tensor,
    log_weights: tf.Tensor,
    baseline: Baseline,
    score_norms: tf.Tensor | None = None,
) -> tf.Tensor:
    """(1/S) Σₛ wₛ [fₛ + stop(fₛ − bₛ) · (scoreₛ − stop(scoreₛ))], a scalar.

    The value is that of (1/S) Σ wₛ fₛ: the score's term is exactly 0. The gradient is
    (1/S) Σ wₛ [∇fₛ + (fₛ − bₛ) ∇scoreₛ], unbiased for ∇E_q[f] whether a site is pathwise (no
    score), score-function (no gradient through f) or mixed (Schulman et al. 2015).

    Args:
      values: fₛ of S weight samples, `[S]`.
      scores: log q(wₛ) with gradient, `[S]`; 0 for pathwise sites.
      log_weights: log q(wₛ) − log r(wₛ) without gradient, `[S]`, wₛ ~ r; 0 where r = q.
      baseline: gives bₛ from the weighted values wₛ fₛ, independent of sample s.
      score_norms: ‖∇_w log q(wₛ)‖², `[S]`, for the baselines that need them.
    """
    weights = tf.stop_gradient(tf.exp(log_weights))
    norms = tf.zeros_like(values) if score_norms is None else score_norms
    weighted = tf.stop_gradient(weights * values)
    advantage = tf.stop_gradient(values - baseline(weighted, norms))
    return tf.reduce_mean(weights * (values + advantage * (scores - tf.stop_gradient(scores))))
