"""Closed forms of a linear layer under Gaussian noise: output moments and the ELBO.

Every operator is linear in its weights: flattened outputs are J w with a constant matrix J. Hence,
for independent sites with E_q[w] = M and Cov_q[w] = C,

    E[y] = Σ J M,   Cov[y] = Σ J C Jᵀ,
    E[−log p(t | y)] = Σ_d ½ ln(2π τ²) + [(t_d − E[y_d])² + Var[y_d]] / (2 τ²).

J is read off by applying the operator to unit vectors, so nothing here relies on the operator's
`variance`. The ELBO needs the marginal variances only: also an estimator that is exact marginally
and no further has its gradient.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bnn.diagnostics.exact_kl import exact_kl
from bnn.diagnostics.subject import Subject
from bnn.posteriors import Posterior
from bnn.sites import Site


class SiteMap(NamedTuple):
    """A site as a linear map into the layer's flattened outputs.

    Attributes:
      site: the random tensor.
      jacobian: J of the site's own outputs, `[n, weights]`, float64.
      spread: for every output of the layer, the site's output that enters it, `[B D]`.
      example: of every output of the site, `[n]`.
      position: of every output of the site, `[n]`.
    """

    site: Site
    jacobian: np.ndarray
    spread: np.ndarray
    example: np.ndarray
    position: np.ndarray

    @property
    def layer_jacobian(self) -> np.ndarray:
        """J of the layer's outputs, `[B D, weights]`."""
        return self.jacobian[self.spread]


class LinearGaussian:
    """The exact moments, ELBO and gradient of a subject at its parameters when asked."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.shape = tuple(subject.layer(subject.inputs).shape)
        self.maps = [self._site_map(site) for site in subject.sites]

    def _site_map(self, site: Site) -> SiteMap:
        jacobian, shape = operator_jacobian(site, self.subject.inputs)
        example, position, _ = coordinates(shape, site.operator.channel_axis)
        own = np.arange(math.prod(shape)).reshape(shape)
        return SiteMap(site, jacobian, np.broadcast_to(own, self.shape).ravel(), example, position)

    def mean(self) -> tf.Tensor:
        """E[y], `[B D]`, float64."""
        parts = [_matvec(m.layer_jacobian, m.site.posterior.mean) for m in self.maps]
        return tf.add_n(parts)

    def variance(self) -> tf.Tensor:
        """Var[y] of every output, `[B D]`, float64; zero from sites that are not sampled."""
        parts = [tf.zeros(len(self.maps[0].spread), tf.float64)]
        for m in self.maps:
            if not self._is_sampled(m.site):
                continue
            if m.site.posterior.factorized:
                variances = m.site.posterior.variance
                parts.append(_matvec(m.layer_jacobian**2, variances))
            else:
                j = tf.constant(m.layer_jacobian)
                parts.append(tf.einsum("ni,ij,nj->n", j, weight_covariance(m.site.posterior), j))
        return tf.add_n(parts)

    def covariance(self) -> np.ndarray:
        """Cov[y] as the estimators declare it, `[B D, B D]`."""
        total = np.zeros([len(self.maps[0].spread)] * 2)
        for m in self.maps:
            if not self._is_sampled(m.site):
                continue
            own = m.jacobian @ weight_covariance(m.site.posterior).numpy() @ m.jacobian.T
            estimator = self.subject.site_estimator(m.site)
            if not estimator.couples_positions:
                own = np.where(np.equal.outer(m.position, m.position), own, _shared_by_positions(m))
            if not estimator.couples_examples:
                own = own * np.equal.outer(m.example, m.example)
            total += own[np.ix_(m.spread, m.spread)]
        return total

    def _is_sampled(self, site: Site) -> bool:
        return not site.posterior.deterministic and self.subject.site_estimator(site).stochastic

    def nll(self) -> tf.Tensor:
        """E_q[−log p(targets | y)], mean over examples, in nats."""
        noise = tf.cast(self.subject.likelihood.scale, tf.float64)[0] ** 2
        residual = tf.cast(tf.reshape(self.subject.targets, [-1]), tf.float64) - self.mean()
        each = 0.5 * tf.math.log(2 * math.pi * noise)
        each += (residual**2 + self.variance()) / (2 * noise)
        return tf.reduce_sum(each) / self.shape[0]

    def kl(self) -> list[tf.Tensor | None]:
        """KL of every site in nats; None where it is not known."""
        return [exact_kl(m.site) for m in self.maps]

    def loss(self) -> tf.Tensor | None:
        """−ELBO / N in nats; None where a KL is not known."""
        parts = [part for part in self.kl() if part is not None]
        if len(parts) < len(self.maps):
            return None
        return self.nll() + tf.add_n(parts) / self.subject.num_train


def _shared_by_positions(m: SiteMap) -> np.ndarray:
    """Covariance of a site's outputs by what the local form shares among positions."""
    shared = m.site.posterior.shared_covariance()
    if shared is None:
        return np.zeros([len(m.jacobian)] * 2)
    return m.jacobian @ shared.numpy().astype(np.float64) @ m.jacobian.T


def operator_jacobian(site: Site, inputs: tf.Tensor) -> tuple[np.ndarray, tuple[int, ...]]:
    """J `[outputs, weights]` with op(x, w) = J w, and the shape of the outputs."""
    shape, count = site.posterior.shape, math.prod(site.posterior.shape)

    @tf.function(autograph=False)
    def columns() -> tf.Tensor:
        units = tf.reshape(tf.eye(count), [count, *shape])
        return tf.map_fn(lambda unit: site.operator(inputs, unit), units)

    stacked = columns.get_concrete_function()().numpy()
    return stacked.reshape(count, -1).T.astype(np.float64), stacked.shape[1:]


def coordinates(shape: tuple, channel_axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of example, position and channel of every output, each `[outputs]`."""
    grid = np.indices(shape).reshape(len(shape), -1)
    channel = channel_axis % len(shape)
    between = [axis for axis in range(1, len(shape)) if axis != channel]
    position = np.zeros(grid.shape[1], int)
    for axis in between:
        position = position * shape[axis] + grid[axis]
    return grid[0], position, grid[channel]


def weight_covariance(posterior: Posterior) -> tf.Tensor:
    """Cov_q[w] of the flattened weights, `[weights, weights]`, float64."""
    if posterior.deterministic:
        return tf.zeros([math.prod(posterior.shape)] * 2, tf.float64)
    try:
        return tf.cast(posterior.covariance(), tf.float64)
    except NotImplementedError:  # of a family that has its distribution only
        blocks = tf.cast(posterior.distribution().covariance(), tf.float64)
    size = int(blocks.shape[-1])
    flat = tf.reshape(blocks, [-1, size, size])
    operators = [tf.linalg.LinearOperatorFullMatrix(block) for block in tf.unstack(flat)]
    return tf.linalg.LinearOperatorBlockDiag(operators).to_dense()


def _matvec(matrix: np.ndarray, vector: tf.Tensor) -> tf.Tensor:
    return tf.linalg.matvec(tf.constant(matrix), tf.cast(tf.reshape(vector, [-1]), tf.float64))
