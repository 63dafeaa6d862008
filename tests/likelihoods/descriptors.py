"""One row per likelihood: how it is made, what its density is elsewhere, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

from bnn import likelihoods as L

S, B, D = 3, 5, 2
SEED = 20


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A likelihood and its independent reference.

    Attributes:
      name: of the class.
      make: a new likelihood, not built.
      outputs: `(rng, *leading) -> [*leading, K]`, outputs in their usual range.
      targets: `(rng) -> ` targets for B examples.
      log_prob: `(outputs [B, K], targets) -> [B]`, by SciPy, of `make()` as it starts.
      marginal: `(outputs [..., K]) -> ` frozen SciPy distribution `[..., D]` of each column; None
        where targets have no columns of numbers.
      num_targets: for `build` and `num_outputs`.
      bad: targets outside of the support, and the words of the error.
      discrete: targets are integers.
    """

    name: str
    make: Callable[[], L.Likelihood]
    outputs: Callable[..., np.ndarray]
    targets: Callable[[np.random.Generator], Any]
    log_prob: Callable[[np.ndarray, Any], np.ndarray]
    marginal: Callable[[np.ndarray], Any] | None = None
    num_targets: int = D
    bad: tuple[tuple[Any, str], ...] = ()
    discrete: bool = False

    def built(self) -> Any:
        likelihood = self.make()
        likelihood.build(self.num_targets)
        return likelihood


def softplus(x):
    return np.logaddexp(0, x)


def normal_outputs(width):
    return lambda rng, *leading: rng.normal(size=(*leading, width))


def columns(name, make, marginal, width=D, bad=(), discrete=False, **options):
    """A row whose columns are independent with a marginal that SciPy has."""

    def targets(rng):
        return marginal(normal_outputs(width)(rng, B)).rvs(random_state=rng)

    def log_prob(outputs, y):
        reference = marginal(outputs)
        return (reference.logpmf(y) if discrete else reference.logpdf(y)).sum(axis=-1)

    return Descriptor(
        name, make, normal_outputs(width), targets, log_prob, marginal, D, bad, discrete, **options
    )


def row(value, usual=1.0):
    """Targets `[B, D]`, usual but for the third row."""
    y = np.full((B, D), usual)
    y[2, 1] = value
    return y


FINITE = tuple(
    (row(v), rf"must be finite, got {v} in row 2 \(1 such rows\)") for v in (np.nan, np.inf)
)
COUNTS = tuple(
    (row(v), rf"integers of at least 0, got {v:g} in row 2 .*without standardising")
    for v in (-1.0, 0.5, np.nan, np.inf)
)
POSITIVE = tuple(
    (row(v), rf"positive and finite, got {v:g} in row 2 .*without standardising")
    for v in (-1.0, 0.0, np.nan, np.inf)
)


class ZeroInflated:
    """SciPy has no zero-inflated Poisson."""

    def __init__(self, outputs):
        self.rate, self.extra = np.exp(outputs[..., :D]), scipy.special.expit(outputs[..., D:])
        self.count = scipy.stats.poisson(self.rate)

    def logpmf(self, y):
        return np.log(self.extra * (y == 0) + (1 - self.extra) * self.count.pmf(y))

    def cdf(self, y):
        return np.where(np.asarray(y) < 0, 0, self.extra + (1 - self.extra) * self.count.cdf(y))

    def ppf(self, q):
        rest = np.clip((q - self.extra) / (1 - self.extra), 0, 1)
        return np.where(q <= self.cdf(0.0), 0.0, self.count.ppf(rest))

    def mean(self):
        return (1 - self.extra) * self.rate

    def var(self):
        second = (1 - self.extra) * (self.rate + self.rate**2)
        return second - self.mean() ** 2

    def rvs(self, random_state):
        keep = random_state.uniform(size=self.rate.shape) > self.extra
        return keep * self.count.rvs(random_state=random_state)


def log_softmax_at(logits, labels):
    return scipy.special.log_softmax(logits, axis=-1)[np.arange(len(labels)), labels]


def soft_targets(rng):
    return rng.dirichlet(np.ones(4), size=B)


def ordinal_log_prob(outputs, labels):
    """Differences of the logistic CDF at the start's cutpoints, logit(k/4)."""
    edges = np.concatenate([[-np.inf], scipy.special.logit(np.arange(1, 4) / 4), [np.inf]])
    cdf = scipy.stats.logistic.cdf(edges - outputs)
    return np.log(np.diff(cdf, axis=-1)[np.arange(len(labels)), labels])


def triangle(outputs):
    """D = 2: the factor of outputs (m₁, m₂, r₁₁, r₂₁, r₂₂)."""
    diagonal = softplus(outputs[..., [2, 4]]) + 1e-3
    zero = np.zeros_like(diagonal[..., 0])
    return np.stack(
        [
            np.stack([diagonal[..., 0], zero], axis=-1),
            np.stack([outputs[..., 3], diagonal[..., 1]], axis=-1),
        ],
        axis=-2,
    )


def correlated_log_prob(outputs, y):
    factors = triangle(outputs)
    z = np.linalg.solve(factors, (y - outputs[..., :2])[..., None])[..., 0]
    log_volume = 0.5 * np.linalg.slogdet(factors @ np.swapaxes(factors, -1, -2))[1]
    return scipy.stats.norm.logpdf(z).sum(axis=-1) - log_volume


def correlated_marginal(outputs):
    return scipy.stats.norm(outputs[..., :2], np.sqrt((triangle(outputs) ** 2).sum(axis=-1)))


def mixture_log_prob(outputs, y):
    weights = scipy.special.log_softmax(outputs[..., :3], axis=-1)
    mean, raw = (part.reshape(B, 3, D) for part in (outputs[..., 3:9], outputs[..., 9:]))
    each = scipy.stats.norm(mean, softplus(raw) + 1e-3).logpdf(y[:, None]).sum(axis=-1)
    return scipy.special.logsumexp(weights + each, axis=-1)


def lifetime(outputs):
    return scipy.stats.weibull_min(1.5, scale=np.exp(outputs))


def lifetimes(rng):
    return np.stack([rng.exponential(size=B) + 0.01, np.arange(B) % 2], axis=-1)


def censored_log_prob(outputs, y):
    times, reference = y[:, :1], lifetime(outputs)
    seen = np.where(y[:, 1:] == 1, reference.logpdf(times), reference.logsf(times))
    return seen[:, 0]


LABELS = tuple(
    (np.array([0, 1, bad, 3, 0]), r"must lie in \[0, 4\)|labels without fractions")
    for bad in (-1.0, 4.0, 0.5)
)

DESCRIPTORS = [
    columns("Normal", lambda: L.Normal(0.7), lambda o: scipy.stats.norm(o, 0.7), bad=FINITE),
    columns(
        "HeteroscedasticNormal",
        lambda: L.HeteroscedasticNormal(0.01),
        lambda o: scipy.stats.norm(o[..., :D], softplus(o[..., D:]) + 0.01),
        2 * D,
        FINITE,
    ),
    columns(
        "Bernoulli",
        L.Bernoulli,
        lambda o: scipy.stats.bernoulli(scipy.special.expit(o)),
        bad=tuple((row(v), rf"must be 0 or 1, got {v:g} in row 2") for v in (-1, 0.5, 2, np.nan)),
        discrete=True,
    ),
    columns(
        "Poisson", L.Poisson, lambda o: scipy.stats.poisson(np.exp(o)), bad=COUNTS, discrete=True
    ),
    columns("ZeroInflatedPoisson", L.ZeroInflatedPoisson, ZeroInflated, 2 * D, COUNTS, True),
    columns(
        "NegativeBinomial",
        lambda: L.NegativeBinomial(1.7),
        lambda o: scipy.stats.nbinom(1.7, 1.7 / (1.7 + np.exp(o))),
        bad=COUNTS,
        discrete=True,
    ),
    columns(
        "StudentT",
        lambda: L.StudentT(0.8, df=4.5),
        lambda o: scipy.stats.t(4.5, o, 0.8),
        bad=FINITE,
    ),
    columns("Laplace", lambda: L.Laplace(0.6), lambda o: scipy.stats.laplace(o, 0.6), bad=FINITE),
    columns(
        "Quantile",
        lambda: L.Quantile(0.3, 0.6),
        # SciPy's kappa = √(τ/(1 − τ)), and its scale is s/√(τ (1 − τ)).
        lambda o: scipy.stats.laplace_asymmetric(
            np.sqrt(0.3 / 0.7), loc=o, scale=0.6 / np.sqrt(0.3 * 0.7)
        ),
        bad=FINITE,
    ),
    columns(
        "LogNormal",
        lambda: L.LogNormal(0.5),
        lambda o: scipy.stats.lognorm(0.5, scale=np.exp(o)),
        bad=POSITIVE,
    ),
    columns(
        "Gamma",
        lambda: L.Gamma(2.5),
        lambda o: scipy.stats.gamma(2.5, scale=np.exp(o) / 2.5),
        bad=POSITIVE,
    ),
    columns(
        "Beta",
        lambda: L.Beta(6.0),
        lambda o: scipy.stats.beta(6 * scipy.special.expit(o), 6 * scipy.special.expit(-o)),
        bad=tuple(
            (row(v, 0.5), rf"strictly between 0 and 1, got {v:g} in row 2")
            for v in (0.0, 1.0, np.nan)
        ),
    ),
    Descriptor(
        "MultivariateNormal",
        L.MultivariateNormal,
        normal_outputs(5),
        lambda rng: rng.normal(size=(B, D)),
        correlated_log_prob,
        correlated_marginal,
        bad=FINITE,
    ),
    Descriptor(
        "MixtureDensity",
        lambda: L.MixtureDensity(3),
        normal_outputs(3 * 5),
        lambda rng: rng.normal(size=(B, D)),
        mixture_log_prob,
        bad=FINITE,
    ),
    Descriptor(
        "Weibull",
        lambda: L.Weibull(1.5),
        normal_outputs(1),
        lifetimes,
        censored_log_prob,
        lifetime,
        1,
        tuple(
            (np.array([[1.0, 1], [2, 0], bad, [1, 1], [1, 1]]), "positive time and 1 for an event")
            for bad in ([-1.0, 1], [0.0, 1], [1.0, 0.5], [np.nan, 1])
        ),
    ),
    Descriptor(
        "Categorical",
        L.Categorical,
        normal_outputs(4),
        lambda rng: rng.integers(4, size=B),
        log_softmax_at,
        num_targets=4,
        bad=LABELS,
    ),
    Descriptor(
        "SoftCategorical",
        L.SoftCategorical,
        normal_outputs(4),
        soft_targets,
        lambda o, t: (t * scipy.special.log_softmax(o, axis=-1)).sum(axis=-1),
        num_targets=4,
        bad=((np.full((B, 4), 0.3), "probabilities that sum to 1 over the classes, got 0.3"),),
    ),
    Descriptor(
        "Ordinal",
        L.Ordinal,
        normal_outputs(1),
        lambda rng: rng.integers(4, size=B),
        ordinal_log_prob,
        num_targets=4,
        bad=LABELS,
    ),
]
BY_NAME = {descriptor.name: descriptor for descriptor in DESCRIPTORS}
COLUMNS = [d for d in DESCRIPTORS if d.marginal is not None]
# These wrap other likelihoods, and have tests of their own.
WRAPPERS = {"Positions", "Heads"}
