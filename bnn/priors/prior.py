"""The prior p(w) of one tensor."""

from __future__ import annotations

import abc

import keras

from bnn import distributions as tfd


class Prior(abc.ABC):
    """A distribution over one weight tensor; may own variables (learned priors).

    As with posteriors, the object given to a layer is a description of which the layer builds its
    own copy.
    """

    def build(  # noqa: B027  (stateless unless overridden)
        self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]
    ) -> None:
        """Creates the prior's variables, if it has any, as weights of `layer`.

        Args:
          layer: owns the variables.
          name: of the site, prefix of the variables' names.
          shape: of the weight tensor.
        """

    @abc.abstractmethod
    def distribution(self) -> tfd.Distribution:
        """The prior of one element: a TFP distribution that broadcasts to the tensor's shape."""

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
