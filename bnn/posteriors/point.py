"""A point mass: the ordinary weight of a deterministic network."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.noise import Noise
from bnn.posteriors.posterior import Posterior

_CHOICE = threading.local()


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.posteriors")
class Point(Posterior):
    """q(w) = δ(w − μ). Every estimator evaluates it at μ.

    Its KL to a prior with a density is infinite. The ledger counts −ln p(μ) in its place: the KL
    up to the constant that optimisation ignores, so that training with it is MAP estimation.
    """

    deterministic = True
    factorized = True
    symmetric = True

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)

    def distribution(self) -> tfd.Deterministic:
        """Deterministic(μ)."""
        return tfd.Deterministic(self.mean)

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """Zero."""
        del noise
        return tf.zeros(self.shape)

    def get_config(self) -> dict:
        """Keras configuration: no options."""
        return {}


@contextlib.contextmanager
def points() -> Iterator[None]:
    """Layers that are made in this context have `Point` posteriors, whatever they are given.

    For methods that sample the weights themselves, and so have no use for a family: the same
    description of a model serves them and variational inference.
    """
    before = getattr(_CHOICE, "points", False)
    _CHOICE.points = True
    try:
        yield
    finally:
        _CHOICE.points = before


def chosen(posterior: Posterior) -> Posterior:
    """The posterior itself, or a `Point` where layers are made `points`."""
    return Point() if getattr(_CHOICE, "points", False) else posterior
