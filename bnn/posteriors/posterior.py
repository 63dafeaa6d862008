"""The variational family q(w) of one tensor."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.noise import Noise


class Posterior(abc.ABC):
    """A distribution over one weight tensor, with its Keras variables.

    A posterior given to a layer is a description: the layer makes its own copy with `clone` and
    builds that, so one description may serve many layers. The flags say what the family can do;
    estimators decide by them whether they can serve it.

    Attributes:
      deterministic: all mass on the mean; nothing is sampled, whatever the estimator.
      factorized: elements are independent.
      symmetric: q(mean + d) = q(mean − d).
      normal: the elements' marginals are normal.
    """

    deterministic = False
    factorized = False
    symmetric = False
    normal = False

    _shape: tuple[int, ...] | None = None

    def build(
        self,
        layer: keras.layers.Layer,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> None:
        """Creates the variables as weights of `layer`, float32 whatever the compute dtype.

        Args:
          layer: owns the variables, so that they are trained, shown and saved with it.
          name: of the site, `"kernel"` or `"bias"`; prefix of the variables' names.
          shape: of the weight tensor.
          initializer: Keras initializer of the mean.
          regularizer: Keras regularizer of the mean, or None.
          constraint: Keras constraint of the mean, or None.
        """
        self._shape = tuple(shape)
        self._build(layer, name, initializer, regularizer, constraint)

    @abc.abstractmethod
    def _build(
        self,
        layer: keras.layers.Layer,
        name: str,
        initializer: Any,
        regularizer: Any,
        constraint: Any,
    ) -> None:
        """Creates the variables; `self.shape` is known."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight tensor; ValueError before `build`."""
        if self._shape is None:
            raise ValueError(
                f"{type(self).__name__} has no variables yet: call its layer, or layer.build(...), "
                "before asking for the posterior's mean, samples or KL."
            )
        return self._shape

    @property
    @abc.abstractmethod
    def mean(self) -> tf.Tensor:
        """E_q[w], float32, of the tensor's shape."""

    @property
    def variance(self) -> tf.Tensor:
        """Var_q[w] element by element, float32, of the tensor's shape."""
        return self.distribution().variance()

    @abc.abstractmethod
    def distribution(self) -> tfd.Distribution:
        """The family as a TFP distribution whose event and batch shapes join to the tensor's."""

    @abc.abstractmethod
    def perturbation(self, noise: Noise) -> tf.Tensor:
        """W − E_q[w] for w ~ q, by reparameterization: a differentiable function of the noise."""

    def sample(self, noise: Noise) -> tf.Tensor:
        """W ~ q by reparameterization, float32, of the tensor's shape."""
        return self.mean + self.perturbation(noise)

    @abc.abstractmethod
    def get_config(self) -> dict:
        """Keras configuration that `from_config` turns into an equal, unbuilt description."""

    @classmethod
    def from_config(cls, config: dict) -> Posterior:
        """The description that `get_config` gave."""
        return cls(**config)

    def clone(self) -> Posterior:
        """An unbuilt copy of the description."""
        return type(self).from_config(self.get_config())
