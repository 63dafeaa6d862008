"""What an estimator is: a rule that pushes one random tensor through one operator."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from bnn.described import Described
from bnn.estimators.baselines import Baseline, NoBaseline
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior


class Realisation(NamedTuple):
    """One random tensor as an estimator realised it in one draw.

    Attributes:
      apply: inputs `[B, …]` to op(x, w) for the random w.
      weights: the realised w, of the tensor's shape, where one w serves the whole batch; None where
        every example has its own (local reparameterization, Flipout).
      reusable: whether `apply` at further inputs is that of the same weights: a layer that is
        called twice, or at every step of a scan, needs it. Where False, every call is a draw of
        its own.
      score: log q(w) with gradient in q's parameters where the outputs do not carry that gradient;
        scalar. Zero where the outputs do.
      log_weight: log q(w) − log r(w) without gradient, scalar, where w was drawn from a proposal r
        instead of q. Zero otherwise.
      score_norm: ‖∇_w log q(w)‖², scalar, where the baseline asks for it.
    """

    apply: Callable[[tf.Tensor], tf.Tensor]
    weights: tf.Tensor | None = None
    reusable: bool = True
    score: tf.Tensor | float = 0.0
    log_weight: tf.Tensor | float = 0.0
    score_norm: tf.Tensor | float = 0.0


def one_tensor(operator: Operator, weights: tf.Tensor, **terms: Any) -> Realisation:
    """The realisation by one weight tensor that serves every input."""
    return Realisation(lambda inputs: operator(inputs, weights), weights, **terms)


class Estimator(Described, abc.ABC):
    """Estimates E_q[f(op(x, w))] and its gradient at a site. Stateless; chosen per draw.

    An estimator sees the operator, the inputs, the posterior and the noise, nothing else: it works
    for every layer and every posterior whose declared properties it needs.

    The flags state the law of the outputs given the inputs, which `bnn.diagnostics` holds the
    estimator to. Every output on its own has the law of op(x, w), w ~ q.

    Attributes:
      pathwise: the outputs carry the gradient in q's parameters; where False the score does.
      realises_weights: one weight tensor serves the whole batch.
      stochastic: outputs vary with the noise; where False they are op(x, E_q[w]).
      couples_examples: outputs of different examples covary as those of one w; where False they
        are uncorrelated.
      couples_positions: outputs of one example at different positions covary as those of one w;
        where False they covary by what the posterior's terms share among them
        (`bnn.posteriors.Posterior.shared_covariance`), and are uncorrelated for most families.
    """

    pathwise = True
    realises_weights = True
    stochastic = True
    couples_examples = True
    couples_positions = True

    @property
    def baseline(self) -> Baseline:
        """The baseline subtracted from f in the score term of the objective's gradient."""
        return NoBaseline()

    def unfit(self, posterior: Posterior) -> str | None:
        """Why the estimator cannot serve this posterior; None where it can."""
        del posterior
        return None

    @abc.abstractmethod
    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """Fixes everything random of a site in one draw.

        Args:
          operator: the map that the tensor enters.
          posterior: built.
          noise: of this site in this draw.
          like: `[B, …]`, the first inputs, or a tensor of their batch size and dtype.
        """

    def at(self, labels: tuple[str, ...]) -> Estimator:
        """The estimator for a site with these labels: itself, unless it chooses by site."""
        del labels
        return self

    def describe(self) -> str:
        """What results and figures call the estimator."""
        return type(self).__name__

    def check(self, posterior: Posterior, operator: Operator | None = None) -> None:
        """Raises ValueError, with the estimators that would do, for an unfit posterior or operator.

        Args:
          posterior: built.
          operator: that the tensor enters, where it is known.
        """
        reason = self.unfit(posterior)
        needs_weights = operator is not None and operator.needs_weights
        if reason is None and needs_weights and not self.realises_weights:
            reason = (
                "the layer needs its weights as one tensor, and the estimator samples outputs or "
                "weights by example"
            )
        if reason is None:
            return
        served = ", ".join(fitting(posterior, operator))
        raise ValueError(
            f"estimator {type(self).__name__} cannot serve the posterior "
            f"{type(posterior).__name__}: {reason}. Estimators that can: {served}."
        )


def fitting(posterior: Posterior, operator: Operator | None = None) -> list[str]:
    """Names of the estimators of `bnn.estimators` that serve a posterior in an operator, sorted."""
    weights = operator is not None and operator.needs_weights
    kinds = {k for k in _concrete_subclasses(Estimator) if k.__module__.startswith("bnn.")}
    return sorted(
        {
            k.__name__
            for k in kinds
            if not k.__name__.startswith("_") and _serves(k, posterior, weights)
        }
    )


def _concrete_subclasses(kind: Any) -> set[Any]:
    found: set[Any] = set()
    for subclass in kind.__subclasses__():
        found |= {subclass} | _concrete_subclasses(subclass)
    return {k for k in found if not getattr(k, "__abstractmethods__", None)}


def _serves(kind: Any, posterior: Posterior, weights: bool) -> bool:
    try:
        return kind().unfit(posterior) is None and (kind.realises_weights or not weights)
    except TypeError:  # needs arguments: a combination of estimators, not one of them
        return False
