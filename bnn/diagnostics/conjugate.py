"""Linear regression under normal noise: every weight's posterior in closed form.

    y = X w + N(0, τ²),  w ~ N(m₀, s² I):
    Λ = XᵀX / τ² + I / s²,  m = Λ⁻¹ (Xᵀy / τ² + m₀ / s²),  w | y ~ N(m, Λ⁻¹)

(Bishop 2006, equations 3.50 and 3.51). The columns of X are correlated, and the prior has a good
third of the precision: a prior that is counted twice, or by batch, moves the mean by far more than
a standard deviation's twentieth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from bnn.data import ResidentBatches
from bnn.layers import Dense
from bnn.likelihoods import Normal as NormalNoise
from bnn.methods import Problem
from bnn.posteriors import Posterior
from bnn.priors import Normal

_CORRELATION = 0.7
_INITIAL_SPREAD = 0.5


class Law(NamedTuple):
    """Mean and covariance of the weights.

    Attributes:
      mean: `[D]`.
      covariance: `[D, D]`; zero for a single function.
    """

    mean: np.ndarray
    covariance: np.ndarray


class ConjugateRegression:
    """The data, the model and the laws that methods have on it.

    Args:
      num_train: N.
      num_weights: D.
      noise_scale: τ.
      prior_loc: m₀.
      prior_scale: s.
    """

    def __init__(
        self,
        num_train: int = 32,
        num_weights: int = 3,
        noise_scale: float = 2.0,
        prior_loc: float = 0.3,
        prior_scale: float = 0.5,
    ) -> None:
        self.num_train, self.num_weights = num_train, num_weights
        self.noise_scale, self.prior_loc, self.prior_scale = noise_scale, prior_loc, prior_scale
        rng = np.random.default_rng(20140601)
        between = np.full([num_weights] * 2, _CORRELATION)
        np.fill_diagonal(between, 1.0)
        design = rng.normal(size=(num_train, num_weights)) @ np.linalg.cholesky(between).T
        self.inputs = design.astype(np.float32)
        weights = prior_loc + prior_scale * rng.normal(size=num_weights)
        targets = self.inputs @ weights + noise_scale * rng.normal(size=num_train)
        self.targets = targets.astype(np.float32)[:, np.newaxis]

    @property
    def precision(self) -> np.ndarray:
        """Λ `[D, D]`, float64."""
        design = self.inputs.astype(np.float64)
        identity = np.eye(self.num_weights)
        return design.T @ design / self.noise_scale**2 + identity / self.prior_scale**2

    def exact(self) -> Law:
        """The posterior, N(m, Λ⁻¹)."""
        data = self.inputs.astype(np.float64).T @ self.targets[:, 0].astype(np.float64)
        pull = data / self.noise_scale**2 + self.prior_loc / self.prior_scale**2
        covariance = np.linalg.inv(self.precision)
        return Law(covariance @ pull, covariance)

    def mean_field(self) -> Law:
        """The factorised normal of least KL(q ‖ p(w | y)): N(m, diag(1/Λᵢᵢ)) (Bishop 2006, 10.1.2).

        Its mean is exact and its variances are too small.
        """
        return Law(self.exact().mean, np.diag(1 / np.diag(self.precision)))

    def mode(self) -> Law:
        """The posterior's mode, which is its mean, without spread."""
        return Law(self.exact().mean, np.zeros_like(self.precision))

    def model(self, posterior: Posterior, start: int = 0) -> keras.Model:
        """The built model x ↦ xᵀw, one site `[D, 1]`.

        Args:
          posterior: of the site.
          start: seed of the initial values.
        """
        layer = Dense(
            1,
            use_bias=False,
            kernel_posterior=posterior,
            kernel_prior=Normal(self.prior_loc, self.prior_scale),
            kernel_initializer=keras.initializers.RandomNormal(stddev=_INITIAL_SPREAD, seed=start),
        )
        return keras.Sequential([keras.Input((self.num_weights,)), layer])

    def problem(self, posterior: Posterior, start: int = 0, **others: Any) -> Problem:
        """What a method is built on.

        Args:
          posterior: as for `model`.
          start: as for `model`.
          **others: `total_steps`, `seed`, `optimizer` and `jit_compile` of the problem.
        """
        likelihood = NormalNoise(self.noise_scale)
        likelihood.build(1)
        starts = iter(range(start + 1, 2**31))
        return Problem(
            model=self.model(posterior, start),
            likelihood=likelihood,
            num_train=self.num_train,
            make_model=lambda: self.model(posterior, next(starts)),
            **others,
        )

    def batches(self, batch_size: int, seed: int) -> ResidentBatches:
        """The training batches."""
        return ResidentBatches(self.inputs, self.targets, batch_size=batch_size, seed=seed)
