"""What a saved `BayesianModel` is made of: its parts, and what `compile` was given."""

from __future__ import annotations

from typing import Any

import keras

from bnn.estimators import Estimator
from bnn.keras_model.method_steps import MethodSteps
from bnn.likelihoods import Likelihood
from bnn.objectives import NegativeELBO
from bnn.schedules import Schedule


class SavedWhole(keras.Model):
    """Keras's configurations of model and compilation."""

    network: keras.Model
    likelihood: Likelihood
    seed: int
    num_predict_samples: int
    _estimator: Estimator | None
    _given_estimator: Estimator | None
    _objective: NegativeELBO
    _kl_weight: Schedule
    _steps: MethodSteps | None

    def export(self, *_: Any, **__: Any) -> None:
        """Refused: Keras would write the function of the mean weights; `bnn.export` is the way.

        Raises:
          ValueError: always.
        """
        raise ValueError(
            "export of Keras would write one function, that of the mean weights, without any "
            "uncertainty; use bnn.export(model, path), or for that function alone "
            "bnn.to_keras(model.network).export(path)."
        )

    def get_config(self) -> dict:
        """Keras configuration."""
        serialize = keras.saving.serialize_keras_object
        return {
            "network": serialize(self.network),
            "likelihood": serialize(self.likelihood),
            "seed": self.seed,
            "num_predict_samples": self.num_predict_samples,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict) -> Any:
        """The model that `get_config` described."""
        config = dict(config)
        for part in ("network", "likelihood"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)

    def get_compile_config(self) -> dict:
        """What `compile` was given."""
        serialize = keras.saving.serialize_keras_object
        if self._steps is not None:
            return {**super().get_compile_config(), "method": self._steps.get_config()}
        if self._estimator is None:
            return {}
        # One that `compile` chose is chosen again: names of sites may be others where it is loaded.
        parts = {"estimator": self._given_estimator, "objective": self._objective}
        own = {name: serialize(part) for name, part in parts.items()}
        return {**super().get_compile_config(), **own, "kl_weight": serialize(self._kl_weight)}

    def compile_from_config(self, config: dict) -> None:
        """Compiles as `get_compile_config` described."""
        steps = MethodSteps.from_config(config["method"]) if "method" in config else None
        config = {k: v for k, v in config.items() if k not in ("loss", "loss_weights", "method")}
        given = keras.saving.deserialize_keras_object(config)
        if steps is None:
            self.compile(**given)
            self.optimizer.build(self.trainable_variables)
            return
        self.compile(**given, method=steps.method)
        if steps.restored is not None and self._steps is not None:
            self._steps.build(self, **steps.restored)
