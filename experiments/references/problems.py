"""The problems: data, and weights that both implementations get."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PRECISION = 0.7  # of the prior, on all weights of the networks


class Network(NamedTuple):
    """Trained weights of a small network, and what they were trained on.

    Attributes:
      inputs: `[N, …]`, channels last.
      targets: classes `[N]`, or numbers `[N, D]`.
      points: inputs to predict at.
      window: side of a convolution's window in front, or None.
      weights: kernel and bias of every layer, as Keras has them; a convolution has no bias.
      noise: of the numbers, or None for classes.
    """

    inputs: np.ndarray
    targets: np.ndarray
    points: np.ndarray
    window: int | None
    weights: list[np.ndarray]
    noise: float | None


class Regression(NamedTuple):
    """y ~ N(X w, τ²), w ~ N(0, 1/δ): `[N, P]`, `[N]`."""

    inputs: np.ndarray
    targets: np.ndarray
    noise: float
    precision: float

    def curvature(self) -> np.ndarray:
        """The posterior's precision."""
        x = self.inputs.astype(np.float64)
        return x.T @ x / self.noise**2 + self.precision * np.eye(x.shape[1])

    def mean(self) -> np.ndarray:
        """The posterior's, which is also that of the mean field."""
        pull = self.inputs.T.astype(np.float64) @ self.targets / self.noise**2
        return np.linalg.solve(self.curvature(), pull)

    def deviations(self) -> np.ndarray:
        """Of the best mean field: one over the roots of the precision's diagonal."""
        return np.diag(self.curvature()) ** -0.5


def regression() -> Regression:
    """Twenty examples, three correlated inputs."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(20, 3)) @ [[1.0, 0.5, 0.0], [0.0, 1.0, 0.4], [0.0, 0.0, 0.8]]
    y = x @ [1.0, -0.5, 0.3] + 0.5 * rng.normal(size=20)
    return Regression(x.astype(np.float32), y.astype(np.float32), noise=0.5, precision=1.0)


class Logistic(NamedTuple):
    """y ~ Bernoulli(σ(X w)), w ~ N(0, s²): `[N, P]`, `[N]`."""

    inputs: np.ndarray
    targets: np.ndarray
    scale: float

    def log_joint(self, weights: np.ndarray) -> np.ndarray:
        """Of weights `[K, P]`, ln p(w, y) up to a constant: `[K]`."""
        signs = 2.0 * self.targets - 1
        fit = -np.logaddexp(0.0, -signs * (weights @ self.inputs.T.astype(np.float64)))
        return fit.sum(1) - 0.5 * np.square(weights / self.scale).sum(1)

    def moments(self, nodes: int = 20) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations of the posterior, `[P]` each.

        By Gauss–Hermite quadrature of so many nodes a dimension about the mode, along the axes of
        the normal that has the curvature there.
        """
        mode, curvature = self._mode()
        points, weights = np.polynomial.hermite_e.hermegauss(nodes)
        size = len(mode)
        grid = np.stack(np.meshgrid(*[points] * size, indexing="ij"), -1).reshape(-1, size)
        logs = sum(np.meshgrid(*[np.log(weights)] * size, indexing="ij")).ravel()
        at = mode + grid @ np.linalg.cholesky(np.linalg.inv(curvature)).T
        logs = logs + self.log_joint(at) + 0.5 * np.square(grid).sum(1)
        shares = np.exp(logs - logs.max())
        shares /= shares.sum()
        mean = shares @ at
        return mean, np.sqrt(shares @ np.square(at - mean))

    def _mode(self) -> tuple[np.ndarray, np.ndarray]:
        """By Newton's method, with the curvature there."""
        x = self.inputs.astype(np.float64)
        prior = np.eye(x.shape[1]) / self.scale**2
        weights = np.zeros(x.shape[1])
        for _ in range(30):
            probability = 1 / (1 + np.exp(-x @ weights))
            curvature = (x * (probability * (1 - probability))[:, np.newaxis]).T @ x + prior
            slope = x.T @ (self.targets - probability) - prior @ weights
            weights = weights + np.linalg.solve(curvature, slope)
        return weights, curvature


def logistic() -> Logistic:
    """Forty examples, four inputs."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(40, 4))
    y = rng.uniform(size=40) < 1 / (1 + np.exp(-x @ [2.0, -1.0, 0.5, 0.0]))
    return Logistic(x.astype(np.float32), y.astype(np.int32), scale=1.5)
