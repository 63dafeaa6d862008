"""Deep deterministic uncertainty: how far an input's features are from those of the training."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batch, Batches
from bnn.likelihoods import Categorical
from bnn.methods.counted import Counted
from bnn.methods.last_layer import LastLayer
from bnn.methods.map import MAP
from bnn.methods.problem import Problem
from bnn.prediction.inputs import row_blocks

_BLOCK = 1000


@gin.register(module="bnn.methods")
class DDU(Counted, MAP):
    """p(y | x) of `MAP`, and log p(φ(x)) = ln Σ_c π_c N(φ(x); m_c, S_c) of its features.

    Deep deterministic uncertainty (Mukhoti et al. 2023, algorithm 1): one network, trained as `MAP`
    does, and when it ends a Gaussian discriminant analysis of the features that enter its last
    layer, with the training part's own classes: π_c their shares, m_c their means, and

        S_c = (1/N_c) Σ (φ − m_c)(φ − m_c)ᵀ + j 1,

    j the jitter. `log_density` tells inputs that are unlike the training's; the predictions are
    those of the one network, which is what says how ambiguous an input is.

    The paper bounds the network's slope from below and above, by residual connections and by
    spectral normalisation, so that features do not fold far inputs into near ones; that is a
    matter of the model (`keras.layers.SpectralNormalization`). Without it this is a baseline.
    Memory: C H² numbers. For `Categorical` alone.

    Args:
      jitter: j as a share of the features' mean variance within classes.
    """

    point_weights = True

    def __init__(self, jitter: float = 1e-4) -> None:
        if not 0 < jitter < math.inf:
            raise ValueError(f"jitter must be positive, got {jitter!r}; 1e-4 is usual.")
        self.jitter = float(jitter)

    def build(self, problem: Problem) -> None:
        """Creates the densities' variables.

        Raises:
          ValueError: another likelihood, or a model that does not end with a linear dense layer.
        """
        if type(problem.likelihood) is not Categorical:
            raise ValueError(
                "method DDU needs classes, the likelihood Categorical(), got "
                f"{type(problem.likelihood).__name__}; use VBLL or SWAG for regressions."
            )
        self._last = LastLayer(problem.model, type(self).__name__)
        classes, size = self._last.num_outputs, int(self._last.layer.input.shape[-1])
        self._shares = _float64((classes,), "ddu_shares")
        self._means = _float64((classes, size), "ddu_means")
        self._factors = _float64((classes, size, size), "ddu_factors")  # Cholesky's, of S_c
        super().build(problem)

    def finish(self, batches: Batches) -> None:
        """The densities, by one pass over the training part.

        Raises:
          ValueError: a class without a training example.
        """
        kept = [(self.features(b.inputs), _labels(b.targets), _weights(b)) for b in batches.full()]
        features, labels, weights = (np.concatenate(part) for part in zip(*kept, strict=True))
        classes = range(self._last.num_outputs)
        sums = np.bincount(labels, weights, len(classes))
        missing = np.flatnonzero(sums <= 0).tolist()
        if missing:
            raise ValueError(
                f"method DDU needs a training example of every class, got none of {missing}; leave "
                "these classes out of the model's outputs."
            )
        of_class = [(features[labels == c], weights[labels == c] / sums[c]) for c in classes]
        means = np.stack([w @ f for f, w in of_class])
        away = [((f - m).T * w) @ (f - m) for (f, w), m in zip(of_class, means, strict=True)]
        floor = self.jitter * float(np.mean([np.diag(a).mean() for a in away])) + 1e-12
        eye = np.eye(features.shape[1])
        self._factors.assign(np.stack([np.linalg.cholesky(a + floor * eye) for a in away]))
        self._means.assign(means)
        self._shares.assign(sums / sums.sum())

    def features(self, inputs: Any) -> np.ndarray:
        """φ, what enters the last layer, `[B, H]`, float64."""
        blocks = [
            self._last.features(block, training=False)
            for _, block in row_blocks(self.problem.model, inputs, _BLOCK)
        ]
        return np.concatenate([np.asarray(block, np.float64) for block in blocks])

    def log_density(self, inputs: Any) -> np.ndarray:
        """Log p(φ(x)) in nats, `[B]`: the lower, the less an input is like the training's.

        Raises:
          RuntimeError: the training has not ended.
        """
        if not self.finished:
            raise RuntimeError("DDU has no densities yet: end the training.")
        away = self.features(inputs)[:, np.newaxis] - self._means.numpy()  # [B, C, H]
        factors = self._factors.numpy()
        columns = [np.linalg.solve(f, away[:, c].T) for c, f in enumerate(factors)]
        squares = np.stack([np.sum(c**2, 0) for c in columns], -1)
        logs = np.stack([np.log(np.diag(f)).sum() for f in factors])
        each = np.log(self._shares.numpy()) - 0.5 * squares - logs
        each -= 0.5 * away.shape[-1] * math.log(2 * math.pi)
        return tf.reduce_logsumexp(each, -1).numpy()

    @property
    def finished(self) -> bool:
        """Whether the densities are there."""
        return bool(np.any(self._shares.numpy()))

    def describe(self) -> dict[str, Any]:
        """Name, and the cost."""
        about = {"method": type(self).__name__, "posterior": "its mode; densities of the features"}
        if not hasattr(self, "problem"):
            return about
        return {**about, **self.cost()}

    @property
    def variables(self) -> list[keras.Variable]:
        """The densities, and the number of gradients."""
        return [self._shares, self._means, self._factors, *super().variables]


def _labels(targets: Any) -> np.ndarray:
    """Class numbers `[B]`; of probabilities `[B, C]` the largest one's."""
    values = np.asarray(targets)
    return values.argmax(-1) if values.ndim > 1 else values.astype(int)


def _weights(batch: Batch) -> np.ndarray:
    """Of the examples, float64."""
    if batch.weights is None:
        return np.ones(len(_labels(batch.targets)))
    return np.ravel(batch.weights).astype(np.float64)


def _float64(shape: tuple[int, ...], name: str) -> keras.Variable:
    value = np.zeros(shape)
    return keras.Variable(value, dtype="float64", trainable=False, autocast=False, name=name)
