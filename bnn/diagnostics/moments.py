"""The law of the outputs given the inputs, against its closed form."""

from __future__ import annotations

import numpy as np

from bnn.diagnostics.linear_gaussian import LinearGaussian, coordinates
from bnn.diagnostics.report import Row
from bnn.diagnostics.simulation import Outcome
from bnn.diagnostics.statistic import Statistic

_FREQUENCY = 2.0


class OutputMoments:
    """Mean, variance, covariances and shape of the outputs' distribution.

    With importance sampling E_q[g(y)] = E_r[w g(y)], w = q/r; without, w = 1. The covariances are
    those that the estimator declares. Where every weight is normal so is every output, and
    E[cos(2 (y − E y) / √Var y)] = e⁻²: bounded, so that heavy tails cannot spoil the test.

    Args:
      exact: closed forms at the current parameters.
    """

    def __init__(self, exact: LinearGaussian) -> None:
        self._mean = exact.mean().numpy()
        covariance = exact.covariance()
        variance = np.diag(covariance)
        size = variance.max() or 1.0
        self._stddev = np.sqrt(np.where(variance > 0, variance, np.inf))
        self._pairs = _pairs(exact)
        k = len(self._mean)
        mean_size = np.sqrt(size) if variance.any() else max(np.abs(self._mean).max(), 1e-6)
        self._output_mean = Statistic("output mean", np.zeros(k), mean_size)
        self._covariances = {
            name: Statistic(name, covariance[tuple(pairs)], size)
            for name, pairs in self._pairs.items()
        }
        self._weight = Statistic("importance weights average to 1", np.ones(1), 1.0)
        self._steps = Statistic("steps uncorrelated", np.zeros(k), size)
        sampled = [m.site.posterior for m in exact.maps if not m.site.posterior.deterministic]
        self._law: Statistic | None = None
        if sampled and all(p.normal and p.factorized for p in sampled) and (variance > 0).all():
            self._law = Statistic("output law", np.zeros(k), 1.0)

    @property
    def statistics(self) -> list[Statistic]:
        """All rows."""
        law = [self._law] if self._law else []
        return [self._output_mean, *self._covariances.values(), *law, self._steps, self._weight]

    def add(self, outcome: Outcome) -> None:
        """Takes in a chunk of draws."""
        n = len(outcome.outputs)
        z = outcome.outputs.reshape(n, -1).astype(np.float64) - self._mean
        weight = np.exp(outcome.log_weight.astype(np.float64))[:, np.newaxis]
        self._output_mean.add(weight * z)
        for name, statistic in self._covariances.items():
            statistic.add_products(z, tuple(self._pairs[name]), weight)
        self._weight.add(weight)
        self._steps.add((weight * z)[0::2] * (weight * z)[1::2])
        if self._law is not None:
            wave = np.cos(_FREQUENCY * z / self._stddev) - np.exp(-0.5 * _FREQUENCY**2)
            self._law.add(weight * wave)

    def rows(self) -> list[Row]:
        """No further rows."""
        return []


def _pairs(exact: LinearGaussian) -> dict[str, np.ndarray]:
    """Pairs of outputs `[2, k]` by how they are related; a kind without pairs is left out."""
    axis = exact.maps[0].site.operator.channel_axis
    example, position, channel = coordinates(exact.shape, axis)
    i, j = np.triu_indices(len(example))
    one, here = example[i] == example[j], position[i] == position[j]
    same = channel[i] == channel[j]
    kinds = {
        "output variance": one & here & same,
        "covariance across channels": one & here & ~same,
        "covariance across positions": one & ~here,
        "covariance across examples": ~one,
    }
    return {name: np.stack([i[m], j[m]]) for name, m in kinds.items() if m.any()}
