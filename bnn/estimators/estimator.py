"""What an estimator is: a rule that pushes one random tensor through one operator."""

from __future__ import annotations

import abc
from typing import NamedTuple

import tensorflow as tf

from bnn.estimators.baselines import Baseline, NoBaseline
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior


class Estimate(NamedTuple):
    """The outcome of an estimator at one site.

    Attributes:
      outputs: op(x, w), for random w.
      score: log q(w) with gradient in q's parameters where the outputs do not carry that gradient;
        scalar. Zero where the outputs do.
      log_weight: log q(w) − log r(w) without gradient, scalar, where w was drawn from a proposal r
        instead of q. Zero otherwise.
    """

    outputs: tf.Tensor
    score: tf.Tensor | float = 0.0
    log_weight: tf.Tensor | float = 0.0


class Estimator(abc.ABC):
    """Estimates E_q[f(op(x, w))] and its gradient at a site. Stateless; chosen per draw.

    An estimator sees the operator, the inputs, the posterior and the noise, nothing else: it works
    for every layer and every posterior whose declared properties it needs.
    """

    @property
    def baseline(self) -> Baseline:
        """The baseline subtracted from f in the score term of the objective's gradient."""
        return NoBaseline()

    def unfit(self, posterior: Posterior) -> str | None:
        """Why the estimator cannot serve this posterior; None where it can."""
        del posterior
        return None

    @abc.abstractmethod
    def estimate(
        self, operator: Operator, inputs: tf.Tensor, posterior: Posterior, noise: Noise
    ) -> Estimate:
        """Outputs and score for one draw.

        Args:
          operator: the bilinear map.
          inputs: `[B, …]`.
          posterior: built.
          noise: of this site in this draw.
        """

    def at(self, labels: tuple[str, ...]) -> Estimator:
        """The estimator for a site with these labels: itself, unless it chooses by site."""
        del labels
        return self

    def check(self, posterior: Posterior) -> None:
        """Raises ValueError, with the estimators that would do, where the posterior is unfit."""
        reason = self.unfit(posterior)
        if reason is None:
            return
        fitting = sorted(
            kind.__name__ for kind in _concrete_subclasses(Estimator) if _serves(kind, posterior)
        )
        raise ValueError(
            f"estimator {type(self).__name__} cannot serve the posterior "
            f"{type(posterior).__name__}: {reason}. Estimators that can: {', '.join(fitting)}."
        )


def _concrete_subclasses(kind: type) -> set[type]:
    found = set()
    for subclass in kind.__subclasses__():
        found |= {subclass} | _concrete_subclasses(subclass)
    return {k for k in found if not getattr(k, "__abstractmethods__", None)}


def _serves(kind: type, posterior: Posterior) -> bool:
    try:
        return kind().unfit(posterior) is None
    except TypeError:  # needs arguments: a combination of estimators, not one of them
        return False
