"""Monte-Carlo standard errors of what S weight samples say.

Each quantity is a smooth functional of the empirical distribution of samples; its error is the
standard deviation of its influence function over √S (the delta method; Efron & Tibshirani 1993,
chapter 21). Where c consecutive samples depend on each other, as the two of an antithetic pair,
their means are what is independent: the deviation of S/c means over √(S/c). Errors do not exist for
one sample, or one group: NaN.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.likelihoods import ClassMixture, Mixture

_NUMBERS = 2**16  # of a piece: half a megabyte, which stays in the cache of a core


def values_of_mean(mixture: Mixture | ClassMixture) -> np.ndarray:
    """What each sample says of the mean: probabilities `[S, B, C]`, or means `[S, B, D]`."""
    if isinstance(mixture, ClassMixture):
        return np.exp(mixture.components.numpy())
    means = mixture.likelihood.mean(*mixture.parameters) * mixture.scale + mixture.loc
    return _by_sample(mixture, means)


def of_mixture(mixture: Mixture, coupled: int = 1) -> dict[str, np.ndarray]:
    """Errors `[B, D]` of mean, total, aleatoric and epistemic variance.

    Influences of a sample with mean m and variance v: m; v + (m − m̄)²; v; (m − m̄)².
    """
    means = mixture.likelihood.mean(*mixture.parameters) * mixture.scale + mixture.loc
    noise = mixture.likelihood.variance(*mixture.parameters) * mixture.scale**2
    spread = (means - mixture.mean()) ** 2
    parts = {"mean": means, "total": noise + spread, "aleatoric": noise, "epistemic": spread}
    return {name: error(_by_sample(mixture, values), coupled) for name, values in parts.items()}


def of_quantile(mixture: Mixture, at: np.ndarray, coupled: int = 1) -> np.ndarray:
    """Errors `[B, D]` of the quantile `at`: sd(Fₛ(at))/(√S f(at)); NaN for integers.

    Args:
      mixture: the predictive.
      at: the quantile, `[B, D]`.
      coupled: samples that depend on each other.
    """
    likelihood = mixture.likelihood
    if likelihood.discrete:
        return np.full(at.shape, np.nan)
    z = (tf.constant(at) - mixture.loc) / mixture.scale
    below = _by_sample(mixture, likelihood.cdf(z, *mixture.parameters))
    density = _by_sample(mixture, tf.exp(likelihood.log_density(z, *mixture.parameters)))
    density = density.mean(axis=0) / mixture.scale.numpy()
    return error(below, coupled) / density


def of_classes(mixture: ClassMixture, coupled: int = 1) -> tuple[dict, dict]:
    """Probabilities `[B, C]` and the three entropies `[B]`, and the errors of these.

    Influences of a sample's probabilities p: p; −Σ p ln p̄; −Σ p ln p; Σ p ln(p/p̄).
    """
    log_p = np.asarray(mixture.components)  # not copied
    size = max(1, _NUMBERS // (log_p.shape[0] * log_p.shape[2]))
    pieces = [
        _of_log_probs(log_p[:, first : first + size], coupled)
        for first in range(0, log_p.shape[1], size)
    ]
    values, errors = (
        {name: np.concatenate([piece[which][name] for piece in pieces]) for name in pieces[0][0]}
        for which in (0, 1)
    )
    return values, errors


def _of_log_probs(log_p: np.ndarray, coupled: int) -> tuple[dict, dict]:
    """See `of_classes`, of log-probabilities `[S, b, C]`."""
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    smallest = np.finfo(np.float64).tiny
    own = -np.einsum("sbc,sbc->sb", p, np.maximum(log_p, np.log(smallest)))
    cross = -np.einsum("sbc,bc->sb", p, np.log(np.maximum(mean, smallest)))
    parts = {"mean": p, "total": cross, "aleatoric": own, "epistemic": cross - own}
    values = {"mean": mean, "total": cross.mean(axis=0), "aleatoric": own.mean(axis=0)}
    values["epistemic"] = np.maximum(values["total"] - values["aleatoric"], 0)
    return values, {name: error(part, coupled) for name, part in parts.items()}


def _by_sample(mixture: Mixture, values: tf.Tensor) -> np.ndarray:
    """Sums over the components of each sample, weighted to average 1: `[S, B, D]`."""
    weights = tf.exp(mixture.log_weights)[..., tf.newaxis]
    weighted = (values * weights).numpy() * mixture.num_samples
    return weighted.reshape(mixture.num_samples, -1, *weighted.shape[1:]).sum(axis=1)


def grouped(values: np.ndarray, coupled: int) -> np.ndarray:
    """Means `[S/c, …]` of every c consecutive samples of values `[S, …]`."""
    if coupled == 1:
        return values
    return values.reshape(-1, coupled, *values.shape[1:]).mean(axis=1)


def error(values: np.ndarray, coupled: int = 1) -> np.ndarray:
    """The standard error of the mean of values `[S, …]`; NaN of one group."""
    values = grouped(values, coupled)
    count = len(values)
    if count < 2:
        return np.full(values.shape[1:], np.nan)
    away = values - values.mean(axis=0)
    return np.sqrt(np.square(away, out=away).sum(axis=0) / (count * (count - 1)))
