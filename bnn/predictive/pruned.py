"""Draws of a posterior of which the weights that say little are 0 with certainty."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import substituted
from bnn.posteriors import MeanFieldNormal
from bnn.prediction import Draws, Functions
from bnn.sites import sites

_NO_SCALE = 1e-12  # of a removed weight


class PrunedDraws(Functions):
    """Draws after the share of weights with the lowest signal-to-noise ratio |μ|/σ is removed.

    All `MeanFieldNormal` sites together are ranked (Graves 2011; Blundell et al. 2015, section
    5.3); a removed weight has μ = 0, σ = 10⁻¹². What is kept is stored by its place.

    Args:
      model: built.
      share: of the weights, in (0, 1).

    Attributes:
      replaced: the variables that are not needed any more.
      kept: of every replaced variable the places of its kept elements and their values.

    Raises:
      ValueError: a share out of range or of all weights, or no such site.
    """

    def __init__(self, model: keras.Model, share: float) -> None:
        posteriors = [site.posterior for site in sites(model).values()]
        self._posteriors = [q for q in posteriors if type(q) is MeanFieldNormal]
        if not 0 < share < 1 or not self._posteriors:
            raise ValueError(
                "prune must be a share in (0, 1) of the weights of MeanFieldNormal posteriors, got "
                f"{share} and {len(self._posteriors)} such sites."
            )
        ratios = [np.abs(q.mean) / np.asarray(q.scale) for q in self._posteriors]
        order = np.sort(np.concatenate([r.ravel() for r in ratios]))
        removed = round(share * len(order))
        if removed == len(order):
            raise ValueError(
                f"prune must leave at least one of the {removed} weights, got {share}; choose a "
                "smaller share."
            )
        limit = order[removed]
        self.replaced: list[keras.Variable] = []
        self.kept: list[tuple[tf.Variable, tf.Variable]] = []
        self._fills: list[float] = []
        for q, ratio in zip(self._posteriors, ratios, strict=True):
            places = tf.Variable(np.flatnonzero(ratio >= limit).astype(np.int32), trainable=False)
            for variable, fill in zip(
                q.variables, (0.0, q.scale_transform.inverse(_NO_SCALE)), strict=True
            ):
                values = np.ravel(variable.numpy())[places.numpy()]
                self.kept.append((places, tf.Variable(values, trainable=False)))
                self.replaced.append(variable)
                self._fills.append(fill)
        self.num_samples, self.arguments = 1, self.with_seed(0)

    def with_seed(self, seed: Any) -> tuple[Any, list[tf.Tensor]]:
        """The arguments of draws of a seed: it, and the whole tensors."""
        whole = []
        for variable, (places, values), fill in zip(
            self.replaced, self.kept, self._fills, strict=True
        ):
            flat = tf.fill([int(np.prod(variable.shape))], fill)
            flat = tf.tensor_scatter_nd_update(flat, places[:, tf.newaxis], values)
            whole.append(tf.reshape(flat, variable.shape))
        return Draws(1, seed).arguments, whole

    @contextlib.contextmanager
    def at(self, sample: tf.Tensor, arguments: Any) -> Iterator[None]:
        """`bnn.Draw` of the pruned posterior."""
        seed, whole = arguments
        with substituted(zip(self.replaced, whole, strict=True)), Draws(1, 0).at(sample, seed):
            yield

    @property
    def key(self) -> Hashable:
        """This very one."""
        return self
