"""Defective score functions, importance weights and baselines."""

import tensorflow as tf
from planted import Defect, estimator_defect
from tensorflow_probability import distributions as tfd

from bnn import estimators as e
from bnn.estimators import Realisation


def score_function(pathwise=False, score=tf.reduce_sum, proposal=None, log_weight=None):
    def realise(operator, posterior, noise, like):
        drawn = (proposal or posterior).sample(*([posterior] if proposal else []), noise)
        weights = tf.stop_gradient(drawn)
        value = score(posterior.distribution().log_prob(weights))
        log_w = log_weight(posterior, weights) if log_weight else 0.0
        used = drawn if pathwise else weights
        return Realisation(lambda x: operator(x, used), weights, score=value, log_weight=log_w)

    return realise


def two_samples():
    return e.ScoreFunction(e.LeaveOneOut())


PROPOSAL = e.DefensiveMixture(1.5)
# Upside down, the weights of a proposal widened by more than √2 have no mean to be tested.
NARROW = e.DefensiveMixture(1.2)


def linear_weight(posterior, weights):
    """q / r with the densities themselves, which overflow."""
    q = tf.reduce_prod(posterior.distribution().prob(weights))
    wide = tfd.Normal(posterior.mean, 1.5 * posterior.scale)
    return tf.math.log(q / (0.5 * q + 0.5 * tf.reduce_prod(wide.prob(weights))))


SCORE = [
    estimator_defect(name, caught_by, check, two_samples, realise)
    for name, caught_by, check, realise in [
        (
            "forgotten score",
            "gradient kernel_loc",
            "gradients",
            score_function(score=lambda log_prob: 0.0),
        ),
        (
            "score without gradient",
            "gradient kernel_loc",
            "gradients",
            score_function(score=lambda log_prob: tf.stop_gradient(tf.reduce_sum(log_prob))),
        ),
        (
            "score averaged over weights",
            "gradient kernel_loc",
            "gradients",
            score_function(score=tf.reduce_mean),
        ),
        (
            "score added to the pathwise gradient",
            "gradient kernel_loc",
            "gradients",
            score_function(pathwise=True),
        ),
        (
            "score of the wrong sign",
            "gradient kernel_loc",
            "gradients",
            score_function(score=lambda log_prob: -tf.reduce_sum(log_prob)),
        ),
        (
            "importance weight missing",
            "output variance",
            "moments",
            score_function(proposal=PROPOSAL),
        ),
        (
            "importance weight upside down",
            "importance weights average to 1",
            "moments",
            score_function(proposal=NARROW, log_weight=lambda *args: -NARROW.log_weight(*args)),
        ),
        (
            "importance weight not in log space",
            "finite at scale 1e-08",
            "limits",
            score_function(proposal=PROPOSAL, log_weight=linear_weight),
        ),
    ]
]


class IncludingItself(e.Baseline):
    def __call__(self, values, score_norms):
        return tf.fill(values.shape, tf.reduce_mean(values))


class OwnValue(e.Baseline):
    def __call__(self, values, score_norms):
        return values


class OwnNorm(e.Baseline):
    """The optimal coefficient of all samples, its own included."""

    def __call__(self, values, score_norms):
        b = tf.reduce_sum(values * score_norms) / tf.reduce_sum(score_norms)
        return tf.fill(values.shape, b)


class UpdatedTooEarly(e.RunningMean):
    def __call__(self, values, score_norms):
        self.update(values)
        return super().__call__(values, score_norms)


BIASED_BASELINES = [IncludingItself, OwnValue, OwnNorm, UpdatedTooEarly]
BASELINES = [
    Defect(
        f"baseline {baseline.__name__}",
        "gradient kernel_loc",
        "gradients",
        lambda baseline=baseline: e.ScoreFunction(baseline()),
    )
    for baseline in (IncludingItself, OwnValue)
]
