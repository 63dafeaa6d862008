"""Monte-Carlo standard errors of what S weight samples say.

Each quantity is a smooth functional of the empirical distribution of samples; its error is the
standard deviation of its influence function over √S (the delta method; Efron & Tibshirani 1993,
chapter 21). They do not exist for one sample: NaN.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.likelihoods import ClassMixture, Mixture


def values_of_mean(mixture: Mixture | ClassMixture) -> np.ndarray:
    """What each sample says of the mean: probabilities `[S, B, C]`, or means `[S, B, D]`."""
    if isinstance(mixture, ClassMixture):
        return np.exp(mixture.components.numpy())
    means = mixture.likelihood.mean(*mixture.parameters) * mixture.scale + mixture.loc
    return _by_sample(mixture, means)


def of_mixture(mixture: Mixture) -> dict[str, np.ndarray]:
    """Errors `[B, D]` of mean, total, aleatoric and epistemic variance.

    Influences of a sample with mean m and variance v: m; v + (m − m̄)²; v; (m − m̄)².
    """
    means = mixture.likelihood.mean(*mixture.parameters) * mixture.scale + mixture.loc
    noise = mixture.likelihood.variance(*mixture.parameters) * mixture.scale**2
    spread = (means - mixture.mean()) ** 2
    parts = {"mean": means, "total": noise + spread, "aleatoric": noise, "epistemic": spread}
    return {name: _error(_by_sample(mixture, values)) for name, values in parts.items()}


def of_quantile(mixture: Mixture, at: np.ndarray) -> np.ndarray:
    """Errors `[B, D]` of the quantile `at`: sd(Fₛ(at))/(√S f(at)); NaN for integers.

    Args:
      mixture: the predictive.
      at: the quantile, `[B, D]`.
    """
    likelihood = mixture.likelihood
    if likelihood.discrete:
        return np.full(at.shape, np.nan)
    z = (tf.constant(at) - mixture.loc) / mixture.scale
    below = _by_sample(mixture, likelihood.cdf(z, *mixture.parameters))
    density = _by_sample(mixture, tf.exp(likelihood.log_density(z, *mixture.parameters)))
    density = density.mean(axis=0) / mixture.scale.numpy()
    return _error(below) / density


def of_classes(mixture: ClassMixture) -> dict[str, np.ndarray]:
    """Errors of the probabilities `[B, C]` and of the three entropies `[B]`.

    Influences of a sample's probabilities p: p; −Σ p ln p̄; −Σ p ln p; Σ p ln(p/p̄).
    """
    log_p = mixture.components.numpy()
    p, log_mean = np.exp(log_p), mixture.log_probs.numpy()
    cross, own = (-np.sum(p * np.where(p > 0, x, 0), axis=-1) for x in (log_mean, log_p))
    parts = {"mean": p, "total": cross, "aleatoric": own, "epistemic": cross - own}
    return {name: _error(values) for name, values in parts.items()}


def _by_sample(mixture: Mixture, values: tf.Tensor) -> np.ndarray:
    """Sums over the components of each sample, weighted to average 1: `[S, B, D]`."""
    weights = tf.exp(mixture.log_weights)[..., tf.newaxis]
    weighted = (values * weights).numpy() * mixture.num_samples
    return weighted.reshape(mixture.num_samples, -1, *weighted.shape[1:]).sum(axis=1)


def _error(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))
