"""The categorical likelihood of class labels."""

from __future__ import annotations

from typing import Any

import gin
import tensorflow as tf

from bnn import distributions as tfd
from bnn.likelihoods.likelihood import Classification


@gin.register(module="bnn.likelihoods")
class Categorical(Classification):
    """p(y = c | outputs) = softmax(outputs)_c, outputs = logits `[B, C]`."""

    def num_outputs(self, num_targets: int) -> int:
        """C, one logit per class."""
        return num_targets

    def log_prob(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Log softmax(outputs)_y, `[B]`."""
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.cast(targets, tf.int32), logits=tf.cast(outputs, tf.float32)
        )

    def log_probs(self, samples: tf.Tensor) -> tf.Tensor:
        """Normalised log-probabilities of every sample, `[S, B, C]`."""
        return tf.nn.log_softmax(tf.cast(samples, tf.float32))

    def predictive(self, samples: tf.Tensor, **units: Any) -> tfd.Categorical:
        """The mixture of S categoricals, itself a categorical with the mean probabilities."""
        if units:
            raise ValueError(f"labels have no units, got {sorted(units)}; drop these arguments.")
        log_s = tf.math.log(tf.cast(tf.shape(samples)[0], tf.float32))
        return tfd.Categorical(logits=tf.reduce_logsumexp(self.log_probs(samples), 0) - log_s)
