"""Units between two layers: their moments, and on which path their variance came."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from bnn.predictive.activations import moments_of_activation

_MOST_PLACES = 100  # of a map whose units are sources


class Sources:
    """Where variance comes from that no earlier layer has: what outputs have in common.

    Attributes:
      places: zeros that are added to a unit's path, of its shape each.
      variances: of what enters there, independent between units.
    """

    def __init__(self) -> None:
        self.places: list[tf.Tensor] = []
        self.variances: list[tf.Tensor] = []


class Units(NamedTuple):
    """What is known of the units between two layers.

    Attributes:
      mean: `[B, …]`.
      variance: of that shape; None where it is 0.
      waiting: an activation that is still to be applied, or None: maxima are taken before it.
      path: linear in the sources; None where nobody asks, or before the first source.
      carried: the part of the variance that is on the path, None for none of it.
    """

    mean: tf.Tensor
    variance: tf.Tensor | None
    waiting: Any = None
    path: tf.Tensor | None = None
    carried: tf.Tensor | None = None

    @property
    def own(self) -> tf.Tensor:
        """The part of the variance that is on no path yet."""
        assert self.variance is not None
        if self.carried is None:
            return self.variance
        return tf.maximum(self.variance - self.carried, 0)


def applied(given: Units) -> Units:
    """With the activation that waits applied.

    Covariances pass it by Cov(f(x), f(y)) = E f' E g' Cov(x, y) + O(Cov²), exact in the first
    order; the rest of the variance counts as each unit's own.
    """
    if given.waiting is None:
        return given
    if given.variance is None:
        return Units(tf.convert_to_tensor(given.waiting(given.mean)), None)
    said = moments_of_activation(given.waiting, given.mean, given.variance)
    path = None if given.path is None else said.slope * given.path
    carried = None if given.carried is None else tf.square(said.slope) * given.carried
    return Units(said.mean, said.variance, None, path, carried)


def sourced(given: Units, sources: Sources | None) -> Units:
    """With all of the variance on the path: what is on none yet becomes a source.

    Units of large maps are many, and the way back to them long: they stay without, and count as
    independent.
    """
    if sources is None or given.variance is None or _is_large_map(given):
        return given
    place = tf.zeros_like(given.variance)
    sources.places.append(place)
    sources.variances.append(given.own)
    path = place if given.path is None else given.path + place
    return given._replace(path=path, carried=given.variance)


def _is_large_map(given: Units) -> bool:
    return given.mean.shape.rank > 2 and math.prod(given.mean.shape[1:-1]) > _MOST_PLACES
