"""The table of priors: how each is made, and its density by SciPy."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import scipy.integrate
import scipy.special
import scipy.stats

from bnn import priors as p

SHAPE = (3, 2)
LOCS = np.linspace(-0.5, 0.5, 6).reshape(SHAPE)
SCALES = np.linspace(0.4, 1.4, 6).reshape(SHAPE)


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A prior with arguments, and its density.

    Attributes:
      make: the unbuilt description.
      log_prob: of the built prior and weights `[3, 2]`, by other means: `[3, 2]`, or a number where
        elements are dependent.
      normalised: whether the density is one.
      closed: whether the mean field's KL to it has a closed form; the tolerance where that is an
        approximation.
      num_variables: of a matrix `SHAPE`.
    """

    make: Callable[[], p.Prior]
    log_prob: Callable[[p.Prior, np.ndarray], np.ndarray]
    normalised: bool = True
    closed: bool | float = False
    num_variables: int = 0


def value(variable):
    return np.float64(variable.numpy())


def normal(w, loc, scale):
    return scipy.stats.norm.logpdf(w, loc, scale)


def horseshoe(w, tau, slab=None):
    """By quadrature over t = ln λ, whose density is sech(t) / π."""
    t = np.linspace(-40, 40, 40_001)
    lam = np.exp(t)
    weight = 1 / np.cosh(t) / np.pi
    flat = np.asarray(w, np.float64).ravel()
    density = [
        scipy.integrate.trapezoid(weight * scipy.stats.norm.pdf(x, 0, tau * lam), t) for x in flat
    ]
    density = np.array(density)
    if slab is not None:
        constant = scipy.integrate.trapezoid(weight / np.sqrt(1 + (tau * lam / slab) ** 2), t)
        density *= np.exp(-0.5 * (flat / slab) ** 2) / constant
    return np.log(density).reshape(np.shape(w))


def laplace_mixture(w, weight, slab, spike):
    parts = [scipy.stats.laplace.logpdf(w, 0, b) for b in (slab, spike)]
    return np.logaddexp(np.log(weight) + parts[0], np.log1p(-weight) + parts[1])


def learned_mixture(prior, w):
    logits, locs, log_scales = (value(v) for v in prior.variables)
    log_weights = logits - scipy.special.logsumexp(logits)
    each = [
        log_pi + scipy.stats.norm.logpdf(w, m, np.exp(s))
        for log_pi, m, s in zip(log_weights, locs, log_scales, strict=True)
    ]
    return scipy.special.logsumexp(each, axis=0)


def matrix_normal(w, scale, rows, columns):
    def correlation(size, rho):
        return rho ** np.abs(np.subtract.outer(np.arange(size), np.arange(size)))

    covariance = scale**2 * np.kron(correlation(SHAPE[0], rows), correlation(SHAPE[1], columns))
    return scipy.stats.multivariate_normal(cov=covariance).logpdf(np.ravel(w))


def hierarchical(prior, w):
    scale = np.exp(value(prior.variables[0]))
    hyper = scipy.stats.invgamma.logpdf(scale**2, prior.shape, scale=prior.rate)
    return normal(w, 0, scale).sum() + hyper


PRIORS = {
    "Normal": Descriptor(lambda: p.Normal(0.3, 0.8), lambda q, w: normal(w, 0.3, 0.8), closed=True),
    "Normal learned": Descriptor(
        lambda: p.Normal(0.3, 0.8, trainable=True),
        lambda q, w: normal(w, 0.3, np.exp(value(q.variables[0]))),
        closed=True,
        num_variables=1,
    ),
    "Around": Descriptor(
        lambda: p.Around(0.7),
        lambda q, w: normal(w, value(q.variables[0]), 0.7),
        closed=True,
        num_variables=6,
    ),
    "ArrayNormal": Descriptor(
        lambda: p.ArrayNormal(LOCS, SCALES), lambda q, w: normal(w, LOCS, SCALES), closed=True
    ),
    "ArrayNormal row": Descriptor(
        lambda: p.ArrayNormal(LOCS[0], 0.6), lambda q, w: normal(w, LOCS[0], 0.6), closed=True
    ),
    "FanInNormal": Descriptor(
        lambda: p.FanInNormal(1.5), lambda q, w: normal(w, 0, 1.5 / np.sqrt(3)), closed=True
    ),
    "ARD": Descriptor(
        lambda: p.ARD("inputs", 0.9),
        lambda q, w: normal(w, 0, np.exp(value(q.variables[0])).reshape(3, 1)),
        closed=True,
        num_variables=3,
    ),
    "ARD outputs": Descriptor(
        lambda: p.ARD("outputs", 0.9),
        lambda q, w: normal(w, 0, np.exp(value(q.variables[0])).reshape(1, 2)),
        closed=True,
        num_variables=2,
    ),
    "FunctionSpaceNormal": Descriptor(
        lambda: p.FunctionSpaceNormal(0.8),
        lambda q, w: normal(w, 0, np.exp(value(q.variables[0]))),
        closed=True,
        num_variables=1,
    ),
    "HierarchicalNormal": Descriptor(
        lambda: p.HierarchicalNormal(3.0, 2.0, 0.8), hierarchical, closed=True, num_variables=1
    ),
    "Laplace": Descriptor(
        lambda: p.Laplace(0.2, 0.6),
        lambda q, w: scipy.stats.laplace.logpdf(w, 0.2, 0.6),
        closed=True,
    ),
    "StudentT": Descriptor(
        lambda: p.StudentT(3.0, -0.2, 0.5), lambda q, w: scipy.stats.t.logpdf(w, 3.0, -0.2, 0.5)
    ),
    "Cauchy": Descriptor(
        lambda: p.Cauchy(0.1, 0.4), lambda q, w: scipy.stats.cauchy.logpdf(w, 0.1, 0.4)
    ),
    "Horseshoe": Descriptor(lambda: p.Horseshoe(0.3), lambda q, w: horseshoe(w, 0.3)),
    "Horseshoe slab": Descriptor(
        lambda: p.Horseshoe(0.3, 1.2), lambda q, w: horseshoe(w, 0.3, 1.2)
    ),
    "SpikeAndSlab": Descriptor(
        lambda: p.SpikeAndSlab(0.3, 1.0, 0.1), lambda q, w: laplace_mixture(w, 0.3, 1.0, 0.1)
    ),
    "ScaleMixture": Descriptor(
        lambda: p.ScaleMixture(0.3, 1.0, 0.2),
        lambda q, w: np.logaddexp(np.log(0.3) + normal(w, 0, 1.0), np.log(0.7) + normal(w, 0, 0.2)),
    ),
    "LearnedMixture": Descriptor(
        lambda: p.LearnedMixture(3, 1.0), learned_mixture, num_variables=9
    ),
    "LogUniform": Descriptor(
        p.LogUniform,
        lambda q, w: -np.log(np.abs(w)) - 0.5 * np.log(4 * np.pi) - 0.5 - 0.5 * np.euler_gamma,
        normalised=False,
        closed=0.01,
    ),
    "CorrelatedConvolution": Descriptor(
        lambda: p.CorrelatedConvolution(0.8, 1.5), lambda q, w: normal(w, 0, 0.8).sum(), closed=True
    ),
    "MatrixNormal": Descriptor(
        lambda: p.MatrixNormal(0.8, 0.6, -0.3),
        lambda q, w: matrix_normal(w, 0.8, 0.6, -0.3),
        closed=True,
    ),
}
DEPENDENT = ("CorrelatedConvolution", "HierarchicalNormal", "MatrixNormal")
ABSTRACT = {"Prior", "ElementwiseNormal", "Process", "SquaredExponential"}


def build(name, shape=SHAPE, spread=0.3):
    """A built prior of the table, every number of which is its own."""
    rng = np.random.default_rng(3)
    prior = PRIORS[name].make()
    prior.build(keras.layers.Layer(), "kernel", shape)
    for variable in prior.variables:
        variable.assign_add(spread * rng.normal(size=variable.shape))
    return prior
