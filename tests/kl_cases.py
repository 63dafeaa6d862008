"""Layers of one kernel for the tests of KLs, and the moments of an element on a fine grid."""

import numpy as np
import scipy.integrate
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import bnn
from bnn.posteriors import MeanFieldNormal
from bnn.priors import ScaleMixture

MIXTURES = [ScaleMixture(0.25, 1.0, 0.2), ScaleMixture(0.6, 2.0, 0.05), ScaleMixture()]
PLACES = [(0.0, 0.3), (0.7, 0.1), (-1.5, 0.02)]


def dense(posterior=None, prior=None, shape=(3, 2), rng=None):
    """A built layer without bias; with `rng`, every element has a mean and scale of its own."""
    layer = bnn.layers.Dense(
        shape[1], use_bias=False, kernel_posterior=posterior, kernel_prior=prior
    )
    layer.build((None, shape[0]))
    if rng is not None:
        for variable in layer.trainable_variables:
            variable.assign_add(rng.normal(size=variable.shape))
    return layer


def kl(layer, **options):
    return float(bnn.ledger(layer, **options)["0_dense/kernel"])


def constant(m, s, prior, shape=(3, 2)):
    """A layer whose elements are all N(m, s²)."""
    layer = dense(MeanFieldNormal(s), prior, shape)
    layer.kernel_posterior._loc.assign(np.full(shape, m))
    return layer


def moments(m, s, prior):
    """E[ln p], E[(ln p)²] and KL of one element N(m, s²), by trapezoids on a fine grid."""
    w = np.linspace(m - 12 * s, m + 12 * s, 200_001)
    log_q = scipy.stats.norm.logpdf(w, m, s)
    log_p = np.logaddexp(
        np.log(prior.weight) + scipy.stats.norm.logpdf(w, 0, prior.wide_scale),
        np.log1p(-prior.weight) + scipy.stats.norm.logpdf(w, 0, prior.narrow_scale),
    )
    return (
        scipy.integrate.trapezoid(np.exp(log_q) * f, w) for f in (log_p, log_p**2, log_q - log_p)
    )


class WithoutEntropy(MeanFieldNormal):
    """A family that has log_prob and sample alone."""

    def distribution(self):
        raise NotImplementedError

    def log_prob(self, weights):
        return tf.reduce_sum(tfd.Normal(self.mean, self.scale).log_prob(weights))

    def entropy(self):
        raise NotImplementedError("no closed form")
