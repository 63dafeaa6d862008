"""The prior p(w) of one tensor."""

from __future__ import annotations

import abc
import contextlib
from typing import Any

import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.compat import add_float32_weight
from bnn.described import constructor_call
from bnn.noise import Noise


class Prior(abc.ABC):
    """A distribution over one weight tensor; may own variables (learned priors).

    As with posteriors, the object given to a layer is a description of which the layer builds its
    own copy.

    Attributes:
      bounded: what the ledger counts has a lower bound in the prior's variables and the weights
        together, also for a `Point` posterior.
      finite: the density is finite everywhere, at zero too.
    """

    bounded = False
    finite = True

    _variables: tuple[keras.Variable, ...] = ()

    def build(  # noqa: B027  (stateless unless overridden)
        self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]
    ) -> None:
        """Creates the prior's variables, if it has any, as weights of `layer`.

        Args:
          layer: owns the variables.
          name: of the site, prefix of the variables' names.
          shape: of the weight tensor.
        """

    def add_variable(
        self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...], **options: Any
    ) -> keras.Variable:
        """A float32 variable of the prior, a weight of `layer`; called by `build`."""
        variable = add_float32_weight(layer, name, shape=shape, **options)
        self._variables += (variable,)
        return variable

    def initialise(self, weights: Any) -> None:  # noqa: B027  (most priors know nothing of them)
        """Takes note of trained weights, for priors that are made around them.

        Args:
          weights: array of the tensor's shape.
        """

    def __repr__(self) -> str:
        """The call that makes it, with the arguments that differ from their defaults."""
        return constructor_call(self)

    @property
    def variables(self) -> list[keras.Variable]:
        """The prior's variables, in the order in which they were made."""
        return list(self._variables)

    def distribution(self) -> tfd.Distribution:
        """The prior as a TFP distribution.

        Of one element, broadcasting to the tensor's shape, where elements are independent; else
        with the tensor as its event.

        Raises:
          NotImplementedError: the family is none of TFP's; it has `log_prob` alone.
        """
        raise NotImplementedError(f"{type(self).__name__} is no distribution of TFP's.")

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """Log p(w) in nats: of the tensor's shape where elements are independent, else scalar."""
        return self.distribution().log_prob(weights)

    def deviation(self, noise: Noise, shape: tuple[int, ...]) -> tf.Tensor:
        """A draw's w − E[w], w ~ p(w), of the tensor's shape; for normal priors.

        Of independent elements s ε, ε ~ N(0, 1); others override it.

        Args:
          noise: of the draw, which gives it by its standard normal numbers.
          shape: of the tensor.

        Raises:
          NotImplementedError: the prior is not normal.
        """
        with contextlib.suppress(NotImplementedError):
            distribution = self.distribution()
            if isinstance(distribution, tfd.Normal):
                return distribution.scale * noise.normal(shape)
        raise NotImplementedError(f"{type(self).__name__} is no normal prior.")

    @abc.abstractmethod
    def get_config(self) -> dict:
        """Keras configuration that `from_config` turns into an equal, unbuilt description."""

    @classmethod
    def from_config(cls, config: dict) -> Prior:
        """The description that `get_config` gave."""
        return cls(**config)

    def clone(self) -> Prior:
        """An unbuilt copy of the description."""
        return type(self).from_config(self.get_config())


def require_positive(name: str, value: float) -> float:
    """The value as a float; ValueError unless it is positive and finite."""
    value = float(value)
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a positive finite number, got {value}.")
    return value
