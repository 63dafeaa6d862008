"""The Laplace approximation of the log marginal likelihood, and its maximum."""

from __future__ import annotations

import logging
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy import optimize

from bnn.likelihoods import Likelihood, Normal
from bnn.methods.curvature.structure import Structure

# Of ln δ: beyond them a prior is a constant, or the weights are.
_BOUNDS = (-25.0, 25.0)
_NOISE_BOUNDS = (-10.0, 10.0)


class Evidence(NamedTuple):
    """ln p(y | δ, c) ≈ ln p(y | θ, c) − ½ Σ δ (θ − m)² + ½ Σ ln δ − ½ ln det(H/c² + diag δ).

    MacKay 1992, equation 16; Immer et al. 2021, equation 4, with θ fixed at the mode: the prior's
    and the integral's factors of 2π cancel. c multiplies the noise of a normal likelihood,
    ln p(y | θ, c) = ln p(y | θ, 1) + ½ Q (1 − c⁻²) − n ln c, with Q the sum of squared residuals
    over τ² and n the number of targets.

    Attributes:
      structure: of H.
      curvature: H as the structure takes it.
      log_likelihood: ln p(y | θ, 1), nats.
      squares: Q; 0 for likelihoods without such a noise.
      targets: n; likewise.
      deviations: (θ − m)², `[P]`.
    """

    structure: Structure
    curvature: Any
    log_likelihood: tf.Tensor
    squares: tf.Tensor
    targets: tf.Tensor
    deviations: tf.Tensor

    @classmethod
    def of(
        cls,
        structure: Structure,
        curvature: Any,
        likelihood: Likelihood,
        log_likelihood: tf.Tensor,
        targets: tf.Tensor,
    ) -> Evidence:
        """At the mode, with (θ − m)² from the model's variables and Q from ln p(y | θ, 1).

        Args:
          structure: of H.
          curvature: H.
          likelihood: whose noise is c = 1.
          log_likelihood: ln p(y | θ, 1).
          targets: number of targets, sum of the examples' weights.
        """
        squares = tf.constant(0.0, tf.float64)
        number = squares
        if isinstance(likelihood, Normal):
            scale = tf.cast(likelihood.parameters(tf.zeros([1, 1]))[1], tf.float64)
            each = tf.reduce_mean(2 * tf.math.log(scale)) + math.log(2 * math.pi)
            number = targets
            squares = -2 * log_likelihood - targets * each
        weights = structure.weights
        deviations = tf.square(weights.mode() - weights.prior_loc())
        return cls(structure, curvature, log_likelihood, squares, number, deviations)

    def fit(self, log_noise: tf.Tensor) -> tf.Tensor:
        """Ln p(y | θ, c)."""
        shrunk = tf.exp(-2 * log_noise)
        return self.log_likelihood + 0.5 * self.squares * (1 - shrunk) - self.targets * log_noise

    def value(self, precision: tf.Tensor, log_noise: tf.Tensor) -> tf.Tensor:
        """In nats; differentiable in δ `[P]` and ln c, float64."""
        fit, shrunk = self.fit(log_noise), tf.exp(-2 * log_noise)
        prior = 0.5 * tf.reduce_sum(tf.math.log(precision) - precision * self.deviations)
        return fit + prior - 0.5 * self.structure.log_det(self.curvature, precision, shrunk)

    def maximise(
        self, precision: tf.Tensor, groups: np.ndarray | None, noise: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The precisions and ln c of the largest value, by L-BFGS-B with exact gradients.

        Args:
          precision: to begin with, `[P]`; kept where there are no groups.
          groups: number of every weight's group, which share one precision, `[P]`.
          noise: whether c is chosen; else it is 1.
        """
        starts: list[float] = []
        if groups is not None:
            logs, counts = np.log(precision.numpy()), np.bincount(groups)
            starts += list(np.clip(np.bincount(groups, logs) / counts, *_BOUNDS))
        reduced = self
        if len(starts) == 1:
            reduced = self._replace(curvature=self.structure.for_one_precision(self.curvature))
        bounds = [_BOUNDS] * len(starts) + [_NOISE_BOUNDS] * noise

        def read(point: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            chosen = precision if groups is None else tf.gather(tf.exp(point), groups)
            return chosen, point[-1] if noise else tf.constant(0.0, tf.float64)

        @tf.function(autograph=False)
        def negative(point: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(point)
                value = -reduced.value(*read(point))
            return value, tape.gradient(value, point)

        if not bounds:
            return precision, tf.constant(0.0, tf.float64)
        found = optimize.minimize(
            lambda x: tuple(part.numpy() for part in negative(tf.constant(x, tf.float64))),
            np.array(starts + [0.0] * noise),
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"ftol": 1e-13, "gtol": 1e-8},
        )
        at_bound = [i for i, (x, b) in enumerate(zip(found.x, bounds, strict=True)) if x in b]
        if at_bound:
            logging.getLogger("absl").warning(
                "the marginal likelihood has no maximum in %d of %d log precisions: they stand at "
                "their bounds %s.",
                len(at_bound),
                len(bounds),
                _BOUNDS,
            )
        return read(tf.constant(found.x, tf.float64))
