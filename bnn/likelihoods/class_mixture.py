"""The predictive mixture of class probabilities."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.likelihoods.targets import class_labels, nan_outside
from bnn.noise import Noise, Purpose


class ClassMixture:
    """p(y = c | x) = (1/S) Σₛ p(y = c | outputsₛ), in float64.

    `total() = aleatoric() + epistemic()`, entropies in nats; the epistemic part is the mutual
    information of label and weights (Houlsby et al. 2011).

    Args:
      name: of the likelihood, for errors.
      log_probs: normalised, of S samples, `[S, B, C]`.
    """

    def __init__(self, name: str, log_probs: tf.Tensor) -> None:
        self.name = name
        self.components = tf.cast(log_probs, tf.float64)

    def __repr__(self) -> str:
        """Likelihood, and numbers of samples, inputs and classes."""
        return f"ClassMixture({self.name}, [S, B, C] = {self.components.shape})"

    @functools.cached_property
    def log_probs(self) -> tf.Tensor:
        """Those of the mixture, `[B, C]`."""
        log_s = tf.math.log(tf.cast(tf.shape(self.components)[0], tf.float64))
        return tf.reduce_logsumexp(self.components, axis=0) - log_s

    @property
    def shape(self) -> tf.TensorShape:
        """`[B, C]`."""
        return self.components.shape[1:]

    @property
    def probs(self) -> tf.Tensor:
        """The mean probabilities, `[B, C]`."""
        return tf.exp(self.log_probs)

    def log_prob(self, targets: Any) -> tf.Tensor:
        """Log p(y | x) in nats, `[B]`, for labels `[B]`."""
        labels, inside = class_labels(self.name, targets, self.shape[-1], self.shape[0])
        return nan_outside(tf.gather(self.log_probs, labels, batch_dims=1), inside)

    def mean(self) -> tf.Tensor:
        """The mean of the one-hot target: the probabilities, `[B, C]`."""
        return self.probs

    def variance(self) -> tf.Tensor:
        """The variance of the one-hot target, p (1 − p), `[B, C]`."""
        return self.probs * (1 - self.probs)

    def mode(self) -> tf.Tensor:
        """The most probable class, `[B]`, int32; −1 where the probabilities are NaN."""
        return self._known(tf.argmax(self.log_probs, axis=-1, output_type=tf.int32))

    def total(self) -> tf.Tensor:
        """The entropy of the mean probabilities, `[B]`."""
        return _entropy(self.log_probs)

    def aleatoric(self) -> tf.Tensor:
        """The mean of the samples' entropies, `[B]`."""
        return tf.reduce_mean(_entropy(self.components), axis=0)

    def epistemic(self) -> tf.Tensor:
        """The mutual information of label and weights, `[B]`, at least 0."""
        return tf.maximum(self.total() - self.aleatoric(), 0)

    def cdf(self, targets: Any) -> tf.Tensor:
        """P(Y ≤ y | x), `[B]`, for labels `[B]`: of use where classes are ordered."""
        labels, inside = class_labels(self.name, targets, self.shape[-1], self.shape[0])
        below = tf.gather(tf.cumsum(self.probs, axis=-1), labels, batch_dims=1)
        return nan_outside(below, inside)

    def crps(self, targets: Any) -> tf.Tensor:
        """Σ_k (P(Y ≤ k) − [k ≥ y])², `[B]`: the ranked probability score (Epstein 1969).

        For labels `[B]`, of use where classes are ordered.
        """
        labels, inside = class_labels(self.name, targets, self.shape[-1], self.shape[0])
        reached = tf.cast(tf.range(self.shape[-1]) >= labels[:, tf.newaxis], tf.float64)
        score = tf.reduce_sum((tf.cumsum(self.probs, axis=-1) - reached) ** 2, axis=-1)
        return nan_outside(score, inside)

    def sample(self, num_samples: int, seed: Any = 0) -> tf.Tensor:
        """Independent labels `[num_samples, B]`, int32; −1 where the probabilities are NaN."""
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1:
            raise ValueError(f"num_samples must be an integer of at least 1, got {num_samples!r}.")
        size = tf.stack([num_samples, tf.shape(self.log_probs)[0]])
        below = tf.cumsum(self.probs, axis=-1)
        uniform = tf.cast(Noise(seed, purpose=Purpose.OUTCOMES).uniform(size), tf.float64)
        pick = uniform[..., tf.newaxis] * below[:, -1:]
        return self._known(tf.reduce_sum(tf.cast(pick > below[:, :-1], tf.int32), axis=-1))

    def _known(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels `[…, B]`, −1 where there are no probabilities: no class is a guess."""
        return tf.where(tf.math.is_nan(self.log_probs[:, 0]), -1, labels)


def _entropy(log_probs: tf.Tensor) -> tf.Tensor:
    """−Σ p ln p over the last axis; 0 ln 0 = 0."""
    safe = tf.maximum(log_probs, -math.sqrt(np.finfo(np.float64).max))
    return -tf.reduce_sum(tf.exp(log_probs) * safe, axis=-1)
