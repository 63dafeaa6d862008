"""Maximum a posteriori estimation, and maximum likelihood of plain Keras models."""

from __future__ import annotations

from typing import Any

import gin
import keras

from bnn.data import Batch
from bnn.methods.log_joint import negative_log_joint
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.sites import sites
from bnn.training import Info


@gin.register(module="bnn.methods")
class MAP(Method):
    """w ← optimizer(∇_w L), L = −(1/B) Σ_b log p(y_b | x_b, w) − log p(w) / N + R(w).

    The posterior's mode (Bishop 2006, equation 1.67), −log p(w) being the ledger of `Point`
    posteriors. A model without random weights, any Keras model, has no prior: maximum likelihood
    with R, its own Keras regularization losses; so members of ensembles and dropout networks train.
    """

    averaged = ("nll",)

    def build(self, problem: Problem) -> None:
        """Checks that no weight is random.

        Raises:
          ValueError: a posterior that is not a point.
        """
        check_points(problem.model, type(self).__name__)
        super().build(problem)

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The negative log joint per example: nll (nats per example), kl and kl/<site> (nats)."""
        return negative_log_joint(self.problem, batch, noise, training)

    def describe(self) -> dict[str, Any]:
        """Name, and that one function stands for the posterior."""
        return {"method": type(self).__name__, "posterior": "its mode"}


def check_points(model: keras.Model, method: str) -> None:
    """Raises ValueError for a posterior that is not a point."""
    for name, site in sites(model).items():
        if not site.posterior.deterministic:
            raise ValueError(
                f"method {method} needs Point posteriors, but site {name} has "
                f"{type(site.posterior).__name__}; use posteriors.Point() for it, or the "
                "method VariationalInference."
            )
