"""The ledger's KL against draws of log q(w) − log p(w), where nothing is in closed form."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.diagnostics.statistic import Statistic
from bnn.noise import Noise, Purpose
from bnn.sites import Site

_FIRST = 256  # draws that say how large the KL is


class SampledKL:
    """The mean of KL − [log q(w) − log p(w)], w ~ q, which is 0 where KL = KL(q ‖ p).

    The draws are neither those of the outputs nor those of the ledger. A wrong closed form is seen,
    a wrong entropy, and a density that is not the one of the samples, unless the ledger itself is
    the mean of the same differences, as without an entropy.

    Args:
      site: with a posterior that has a density.
      number: of the site.
      jit_compile: whether the draws run under XLA.
    """

    def __init__(self, site: Site, number: int, jit_compile: bool) -> None:
        self._site, self._number, self._drawn = site, number, 0
        self._many = tf.function(self._log_ratios, jit_compile=jit_compile, autograph=False)
        size = abs(float(np.mean(self._next(_FIRST)))) + 1.0
        self.statistic = Statistic(f"KL {site.name}", np.zeros(1), size)

    def add(self, kl: np.ndarray) -> None:
        """Takes in KLs of the ledger, `[n]`."""
        self.statistic.add((kl - self._next(len(kl)))[:, np.newaxis])

    def _next(self, count: int) -> np.ndarray:
        steps = tf.range(self._drawn, self._drawn + count)
        self._drawn += count
        return self._many(steps).numpy()

    def _log_ratios(self, steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(self._log_ratio, steps, fn_output_signature=tf.TensorSpec([]))

    def _log_ratio(self, step: tf.Tensor) -> tf.Tensor:
        posterior = self._site.posterior
        noise = Noise(0, step, site=self._number, purpose=Purpose.PROBE)
        weights = posterior.sample(noise)
        log_prior = tf.reduce_sum(self._site.prior.log_prob(weights))
        return tf.cast(posterior.log_prob(weights) - log_prior, tf.float32)
