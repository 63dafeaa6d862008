"""The Bernoulli likelihood of binary targets, one or several labels an example."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.columns import Columns


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Bernoulli(Columns):
    """p(y | outputs) = ∏_d σ(l_d)^y_d (1 − σ(l_d))^(1 − y_d), outputs = logits l `[B, D]`.

    Targets 0 or 1, `[B]` where D = 1: a binary target with one logit; `[B, D]`: several labels,
    each of which applies or not (binary relevance).
    """

    task = "multilabel"
    takes_logits = True
    discrete = True
    requirement = "0 or 1"
    remedy = "give whether each label applies; Categorical takes class numbers"

    def num_outputs(self, num_targets: int) -> int:
        """D, one logit per label."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The logits."""
        return (outputs,)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """−softplus(−(2y − 1) logit) = y ln σ + (1 − y) ln(1 − σ)."""
        return -tf.math.softplus((1 - 2 * y) * parameters[0])

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """σ(logit), the probability of 1."""
        return tf.sigmoid(parameters[0])

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """σ (1 − σ)."""
        return tf.sigmoid(parameters[0]) * tf.sigmoid(-parameters[0])

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """0 below 0, 1 − σ below 1, then 1; NaN for a logit of NaN."""
        zero = tf.sigmoid(-parameters[0]) + tf.zeros_like(y)
        nothing = 0 * zero  # NaN where there is no logit
        return tf.where(y < 0, nothing, tf.where(y < 1, zero, 1 + nothing))

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """1 where q > 1 − σ, else 0; NaN for a logit of NaN."""
        zero = tf.sigmoid(-parameters[0])
        return tf.cast(q > zero, zero.dtype) + 0 * zero

    def valid(self, y: tf.Tensor) -> tf.Tensor:
        """0 and 1."""
        return tf.equal(y, 0) | tf.equal(y, 1)
