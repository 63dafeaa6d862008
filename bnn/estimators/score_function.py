"""The score-function estimator, with baselines and importance sampling."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.described import Described
from bnn.estimators.baselines import Baseline, LeaveOneOut, NoBaseline, OptimalCoefficient
from bnn.estimators.estimator import Estimator, Realisation, one_tensor
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior

_COMPONENT = 15


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class DefensiveMixture(Described):
    """The proposal r(w) = α q(w) + (1 − α) q_wide(w) for importance sampling (Hesterberg 1995).

    q_wide(w) = k⁻ᴰ q(μ + (w − μ) / k) is q widened k-fold about its mean μ. The weight q/r never
    exceeds 1/α, so the estimator's variance stays finite. One component serves the whole tensor of
    D elements: in many dimensions the wide component's weights vanish and only the share α of the
    draws remains useful, which is the method's known limit.

    Args:
      widening: k, above 1.
      share: α, between 0 and 1.
    """

    def __init__(self, widening: float = 2.0, share: float = 0.5) -> None:
        if not 1 < widening < math.inf:
            raise ValueError(f"widening must be a finite number above 1, got {widening}; try 2.")
        if not 0 < share < 1:
            raise ValueError(f"share must lie strictly between 0 and 1, got {share}; try 0.5.")
        self.widening = float(widening)
        self.share = float(share)

    def sample(self, posterior: Posterior, noise: Noise) -> tf.Tensor:
        """W ~ r, of the tensor's shape."""
        narrow = noise.uniform([], _COMPONENT) < self.share
        factor = tf.where(narrow, 1.0, self.widening)
        return posterior.mean + factor * posterior.perturbation(noise)

    def log_weight(self, posterior: Posterior, weights: tf.Tensor) -> tf.Tensor:
        """Log q(w) − log r(w) = −log(α + (1 − α) q_wide(w) / q(w)), scalar, in log space."""
        shrunk = posterior.mean + (weights - posterior.mean) / self.widening
        log_wide = posterior.log_prob(shrunk) - math.prod(posterior.shape) * math.log(self.widening)
        log_ratio = log_wide - posterior.log_prob(weights)
        log_alpha, log_rest = math.log(self.share), math.log1p(-self.share)
        return -tf.reduce_logsumexp(tf.stack([log_alpha, log_rest + log_ratio]))


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class ScoreFunction(Estimator):
    """∇_φ E_q[f(w)] = E_q[(f(w) − b) ∇_φ log q(w)] (Williams 1992).

    The weight sample carries no gradient; the score log q(w) does. The objective joins the two as
    f + stop(f − b) · (score − stop(score)), which has the value of f. Needs no gradient of f with
    respect to w, at the price of a variance that grows with the number of weights.

    Args:
      baseline: rule for b; none where None.
      proposal: draw from it instead of q and weight by q/r; q itself where None.
    """

    pathwise = False

    def __init__(
        self, baseline: Baseline | None = None, proposal: DefensiveMixture | None = None
    ) -> None:
        self._baseline = baseline if baseline is not None else NoBaseline()
        self.proposal = proposal

    @property
    def baseline(self) -> Baseline:
        """The rule for b."""
        return self._baseline

    def unfit(self, posterior: Posterior) -> str | None:
        """Needs a density over the weights; a baseline of other samples needs independent ones."""
        if not posterior.has_density:
            return "it needs a posterior with a density over the weights"
        others = isinstance(self.baseline, LeaveOneOut | OptimalCoefficient)
        if others and not posterior.independent_samples:
            return (
                f"its baseline {type(self.baseline).__name__} is made of the other samples, which "
                "depend on the sample that it is for; use RunningMean() or NoBaseline()"
            )
        return None

    def describe(self) -> str:
        """The name with baseline and proposal, where there are any."""
        parts = [p for p in (self.baseline, self.proposal) if p is not None]
        used = [type(p).__name__ for p in parts if not isinstance(p, NoBaseline)]
        return f"ScoreFunction({', '.join(used)})" if used else "ScoreFunction"

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """One weight sample without gradient in φ, and its score."""
        del like
        if self.proposal is None:
            weights = tf.stop_gradient(posterior.sample(noise))
            log_weight: tf.Tensor | float = 0.0
        else:
            weights = tf.stop_gradient(self.proposal.sample(posterior, noise))
            log_weight = tf.stop_gradient(self.proposal.log_weight(posterior, weights))
        norm = _score_norm(posterior, weights) if self.baseline.needs_score_norm else 0.0
        return one_tensor(
            operator,
            weights,
            score=posterior.log_prob(weights),
            log_weight=log_weight,
            score_norm=norm,
        )


def _score_norm(posterior: Posterior, weights: tf.Tensor) -> tf.Tensor:
    """‖∇_w log q(w)‖²; for a location family that of the score in the location."""
    with tf.GradientTape() as tape:
        tape.watch(weights)
        log_prob = posterior.log_prob(weights)
    return tf.stop_gradient(tf.reduce_sum(tf.square(tape.gradient(log_prob, weights))))
