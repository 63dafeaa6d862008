"""A subclassed model with random weights."""

from __future__ import annotations

from typing import Any

import keras

from bnn.layers import WeightSpace


@keras.saving.register_keras_serializable(package="bnn")
class WeightSpaceModel(keras.Model):
    """A Keras model of one layer, the `WeightSpace` of another model.

    Args:
      space: the layer.
      **kwargs: of `keras.Model`.
    """

    def __init__(self, space: WeightSpace, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.space = space
        self.built = space.built

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's call."""
        return self.space(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's."""
        return self.space.compute_output_spec(*args, **kwargs)

    def get_build_config(self) -> dict | None:
        """Nothing: the layer is built by its own."""
        return None

    def build_from_config(self, config: dict) -> None:
        """Nothing is left to do."""

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "name": self.name,
            "space": keras.saving.serialize_keras_object(self.space),
        }

    @classmethod
    def from_config(cls, config: dict) -> WeightSpaceModel:
        """The model that `get_config` described."""
        config = dict(config)
        return cls(keras.saving.deserialize_keras_object(config.pop("space")), **config)
