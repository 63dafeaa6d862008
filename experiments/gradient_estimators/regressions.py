"""Two regressions whose exact posterior, evidence and best mean-field ELBO are known."""

from __future__ import annotations

import abc
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.polynomial.hermite_e import hermegauss
from scipy import optimize, special, stats
from tensorflow_probability import distributions as tfd

import bnn
from bnn.likelihoods import Likelihood


class Regression(abc.ABC):
    """A model without bias, y given x ᵀw, w ~ N(0, prior²), and what is known about it."""

    name: str  # of the problem
    inputs: np.ndarray  # `[N, D]`, float32
    targets: np.ndarray  # `[N]`, float32
    batch_size: int  # examples per step
    prior_scale: float  # standard deviation of the prior
    log_evidence: float  # ln p(y), nats
    mean: np.ndarray  # of the exact posterior, `[D]`
    covariance: np.ndarray  # of the exact posterior, `[D, D]`
    best_loc: np.ndarray  # mean of the mean-field posterior with the highest ELBO, `[D]`
    best_scale: np.ndarray  # its standard deviations, `[D]`

    @abc.abstractmethod
    def likelihood(self) -> Likelihood:
        """p(y | x ᵀw)."""

    @abc.abstractmethod
    def expected_log_likelihood(self, loc: np.ndarray, scale: np.ndarray) -> float:
        """E_q[ln p(y | w)] for q = N(loc, scale²), exact or by quadrature."""

    def elbo(self, loc: np.ndarray, scale: np.ndarray) -> float:
        """The bound of ln p(y) that q reaches, nats."""
        ratio = (scale**2 + loc**2) / self.prior_scale**2
        kl = np.sum(np.log(self.prior_scale / scale) + (ratio - 1) / 2)
        return self.expected_log_likelihood(loc, scale) - float(kl)

    @property
    def best_elbo(self) -> float:
        """The highest bound of a mean-field normal posterior."""
        return self.elbo(self.best_loc, self.best_scale)

    def model(self) -> keras.Model:
        """The network: one layer, one output."""
        layer = bnn.layers.Dense(
            1,
            use_bias=False,
            kernel_initializer="zeros",
            kernel_posterior=bnn.posteriors.MeanFieldNormal(0.5),
            kernel_prior=bnn.priors.Normal(0.0, self.prior_scale),
        )
        return keras.Sequential([keras.Input((self.inputs.shape[1],)), layer])


class LinearRegression(Regression):
    """Normal noise N(0, 1). Posterior N(m, Λ⁻¹), Λ = XᵀX + I / prior², m = Λ⁻¹ Xᵀy.

    The best mean-field posterior has the exact mean and the variances 1 / Λ_dd (Bishop 2006,
    equation 10.12): less than the marginal variances (Λ⁻¹)_dd where weights are correlated.
    """

    name = "linear regression"
    batch_size = 25
    prior_scale = 1.0

    def __init__(self, num_train: int = 100, num_features: int = 4, correlation: float = 0.7):
        rng = np.random.default_rng(0)
        distance = np.abs(np.subtract.outer(range(num_features), range(num_features)))
        root = np.linalg.cholesky(correlation**distance)
        x = rng.normal(size=(num_train, num_features)) @ root.T
        y = x @ rng.normal(size=num_features) + rng.normal(size=num_train)
        self.inputs, self.targets = x.astype(np.float32), y.astype(np.float32)
        precision = x.T @ x + np.eye(num_features) / self.prior_scale**2
        self.covariance = np.linalg.inv(precision)
        self.mean = self.covariance @ x.T @ y
        marginal = np.eye(num_train) + self.prior_scale**2 * x @ x.T
        self.log_evidence = float(stats.multivariate_normal(cov=marginal).logpdf(y))
        self.best_loc, self.best_scale = self.mean, np.diag(precision) ** -0.5

    def likelihood(self) -> Likelihood:
        """N(x ᵀw, 1)."""
        return bnn.likelihoods.Normal(1.0)

    def expected_log_likelihood(self, loc: np.ndarray, scale: np.ndarray) -> float:
        """Closed form: the squared residual of the mean, and the outputs' variance x²ᵀσ²."""
        x, y = self.inputs.astype(np.float64), self.targets.astype(np.float64)
        squares = (y - x @ loc) ** 2 + x**2 @ scale**2
        return float(-0.5 * np.sum(np.log(2 * np.pi) + squares))


class LogisticRegression(Regression):
    """p(y = 1) = sigmoid(x ᵀw) with two weights: everything by quadrature.

    The exact posterior on a grid; the ELBO by Gauss–Hermite quadrature over each example's logit,
    which is normal under q; its maximum by L-BFGS.
    """

    name = "logistic regression"
    prior_scale = 3.0

    def __init__(self, num_train: int = 30):
        rng = np.random.default_rng(1)
        x = np.stack([np.ones(num_train), rng.normal(1.5, 1.0, num_train)], axis=1)
        y = rng.uniform(size=num_train) < special.expit(x @ [-2.0, 2.0])
        self.inputs, self.targets = x.astype(np.float32), y.astype(np.float32)
        self.batch_size = num_train
        self._integrate(np.linspace(-12, 12, 1201))
        start = np.concatenate([self.mean, np.log(np.diag(self.covariance)) / 2])
        found = optimize.minimize(lambda p: -self.elbo(p[:2], np.exp(p[2:])), start, tol=1e-12)
        self.best_loc, self.best_scale = found.x[:2], np.exp(found.x[2:])

    def _integrate(self, axis: np.ndarray) -> None:
        self.grid = axis
        w = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
        log_joint = stats.norm.logpdf(w, scale=self.prior_scale).sum(axis=-1)
        for x, y in zip(self.inputs, self.targets, strict=True):
            log_joint -= np.logaddexp(0, (1 - 2 * y) * (w @ x))
        cell = (axis[1] - axis[0]) ** 2
        self.log_evidence = float(special.logsumexp(log_joint) + np.log(cell))
        self.density = np.exp(log_joint - self.log_evidence)
        mass = self.density * cell
        self.mean = np.einsum("ij,ijk->k", mass, w)
        centred = w - self.mean
        self.covariance = np.einsum("ij,ijk,ijl->kl", mass, centred, centred)

    def likelihood(self) -> Likelihood:
        """Bernoulli with the output as logit."""
        return Bernoulli()

    def expected_log_likelihood(self, loc: np.ndarray, scale: np.ndarray) -> float:
        """Σ_n E[−ln(1 + exp(∓ logit))] with logit ~ N(x ᵀμ, x²ᵀσ²)."""
        x, y = self.inputs.astype(np.float64), self.targets.astype(np.float64)
        nodes, mass = hermegauss(40)
        logits = (x @ loc)[:, np.newaxis] + np.sqrt(x**2 @ scale**2)[:, np.newaxis] * nodes
        losses = np.logaddexp(0, (1 - 2 * y)[:, np.newaxis] * logits)
        return float(-np.sum(losses @ mass) / mass.sum())


class Bernoulli(Likelihood):
    """p(y = 1 | output) = sigmoid(output)."""

    task = "classification"

    def num_outputs(self, num_targets: int) -> int:
        """One logit."""
        return 1

    def log_prob(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Log-probability of the targets, `[B]`, nats."""
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs[:, 0])

    def predictive(self, samples: tf.Tensor, **units: Any) -> tfd.Distribution:
        """Bernoulli with the mean probability, batch `[B]`."""
        return tfd.Bernoulli(probs=tf.reduce_mean(tf.sigmoid(samples[..., 0]), axis=0))
