"""The ledger's KL against draws of log q(w) − log p(w), where nothing is in closed form."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.diagnostics.statistic import Statistic
from bnn.noise import Noise, Purpose
from bnn.sites import Site

_FIRST = 256  # draws that say how large the KL is
_EPSILON = 2.0**-23  # float32's
_PRECISE = 0.01  # of KL + 1: what a last digit of the weights may count


class SampledKL:
    """The mean of KL − [log q(w) − log p(w)], w ~ q, which is 0 where KL = KL(q ‖ p).

    The draws are neither those of the outputs nor those of the ledger. A wrong closed form is seen,
    a wrong entropy, and a density that is not the one of the samples, unless the ledger itself is
    the mean of the same differences, as without an entropy.

    Args:
      site: with a posterior that has a density.
      number: of the site.
      jit_compile: whether the draws run under XLA.

    Attributes:
      statistic: that mean, against 0.
      precise: float32 weights determine log q(w). Where a covariance has tiny eigenvalues across
        the axes they do not: the last digit of a weight moves it by more than a hundredth.
    """

    def __init__(self, site: Site, number: int, jit_compile: bool) -> None:
        self._site, self._number, self._drawn = site, number, 0
        self._many = tf.function(self._log_ratios, jit_compile=jit_compile, autograph=False)
        size = abs(float(np.mean(self._next(_FIRST)))) + 1.0
        self.statistic = Statistic(f"KL {site.name}", np.zeros(1), size)
        changes = tf.function(self._changes, autograph=False)  # once: not worth XLA's compilation
        steps = tf.range(_FIRST)
        change = np.mean(changes.get_concrete_function(steps)(steps))
        self.precise = bool(change < _PRECISE * size)

    def add(self, kl: np.ndarray) -> None:
        """Takes in KLs of the ledger, `[n]`."""
        self.statistic.add((kl - self._next(len(kl)))[:, np.newaxis])

    def _next(self, count: int) -> np.ndarray:
        steps = tf.range(self._drawn, self._drawn + count)
        self._drawn += count
        # Called directly, functions of many objects have TensorFlow warn of retracing.
        return self._many.get_concrete_function(steps)(steps).numpy()

    def _log_ratios(self, steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(self._log_ratio, steps, fn_output_signature=tf.TensorSpec([]))

    def _changes(self, steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(self._change, steps, fn_output_signature=tf.TensorSpec([]))

    def _log_ratio(self, step: tf.Tensor) -> tf.Tensor:
        posterior = self._site.posterior
        weights = posterior.sample(self._noise(step))
        log_prior = tf.reduce_sum(self._site.prior.log_prob(weights))
        return tf.cast(posterior.log_prob(weights) - log_prior, tf.float32)

    def _change(self, step: tf.Tensor) -> tf.Tensor:
        """|Δ log q(w)| where every weight's last digit goes up or down by chance."""
        posterior, noise = self._site.posterior, self._noise(step)
        weights = posterior.sample(noise)
        signs = tf.sign(noise.at(sample=1).normal(weights.shape))
        change = posterior.log_prob(weights * (1 + _EPSILON * signs)) - posterior.log_prob(weights)
        return tf.abs(tf.cast(change, tf.float32))

    def _noise(self, step: tf.Tensor) -> Noise:
        return Noise(0, step, site=self._number, purpose=Purpose.PROBE)
