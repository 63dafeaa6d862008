"""Another method than variational inference in Keras's loop: which ones fit, and their steps."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from bnn.compat import hold_variables, release_variables
from bnn.described import Described
from bnn.noise import Noise
from bnn.prediction import Functions

_NEEDS_THE_LOOP = (
    "method {name} does not fit Keras's loop, which only takes steps: {why}. Train it with "
    "bnn.experiment.run(folder, method=bnn.methods.{name}(...), ...), or here with a method that "
    "is all steps: VariationalInference, MAP, MCDropout, IVON, VBLL or MomentPropagation."
)
_KEEPS = "it keeps samples while it trains"


class MethodSteps:
    """The steps, the loss and the functions of one method, for `BayesianModel`.

    The method is built at the first `fit`, which knows N and the number of steps, or where a saved
    model is loaded, which has kept them. Later fits of other data keep its state.

    Args:
      method: of `bnn.methods`.

    Raises:
      ValueError: something else, or a method that does more than steps.
    """

    def __init__(self, method: Any) -> None:
        from bnn.methods import Method
        from bnn.training import Stepper

        if not isinstance(method, Method):
            raise ValueError(
                f"method must be a method object, got {method!r}; pass for example "
                "bnn.methods.MAP(), with the parentheses."
            )
        kind, name = type(method), type(method).__name__
        if kind.finish is not Method.finish:
            raise ValueError(
                _NEEDS_THE_LOOP.format(name=name, why="it computes after training, on all data")
            )
        if method.whole_data:
            raise ValueError(_NEEDS_THE_LOOP.format(name=name, why="each step takes all data"))
        if why := _beside_steps(kind):
            raise ValueError(_NEEDS_THE_LOOP.format(name=name, why=why))
        if kind.loss is Stepper.loss:
            raise ValueError(_NEEDS_THE_LOOP.format(name=name, why="it has no loss to log"))
        self.method = method
        self.built_for: dict[str, int] | None = None
        self.restored: dict[str, int] | None = None  # what a saved one was built for
        self._held: list[keras.Variable] = []

    def build(self, model: Any, num_train: int, total_steps: int) -> bool:
        """Creates the method's state, or tells it of other data; whether anything has changed."""
        from bnn.methods import Problem

        sizes: dict[str, Any] = {"num_train": int(num_train), "total_steps": int(total_steps)}
        if sizes == self.built_for:
            return False
        if self.built_for is not None:
            self.method.problem = dataclasses.replace(self.method.problem, **sizes)
        else:
            self.method.build(
                Problem(
                    model.network,
                    model.likelihood,
                    **sizes,
                    seed=model.seed,
                    optimizer=model.optimizer,
                    jit_compile=bool(model.jit_compile),
                )
            )
            if self.method.archive is not None:
                name = type(self.method).__name__
                raise ValueError(_NEEDS_THE_LOOP.format(name=name, why=_KEEPS))
            self._held = _own_variables(self.method, model)
            hold_variables(model, self._held)
        self.built_for = sizes
        return True

    def release(self, model: keras.Model) -> None:
        """Lets the model forget the method's variables, before another one takes its place."""
        release_variables(model, self._held)
        self._held = []

    def train(self, batch: tuple, noise: Noise) -> tuple[Any, Any, Any]:
        """Takes a step; loss, nll and kl."""
        from bnn.training.stepper import identity

        return _terms(self.method.step(_batch(batch), noise, identity))

    def bound(self, batch: tuple, noise: Noise) -> tuple[Any, Any, Any]:
        """Loss, nll and kl of a batch that is only looked at."""
        self._require_built()
        return _terms(self.method.loss(_batch(batch), noise, training=False))

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """What a prediction is made of."""
        self._require_built()
        return self.method.functions(num_samples, seed)

    def _require_built(self) -> None:
        if self.built_for is None:
            raise ValueError(
                f"method {type(self.method).__name__} has no state before the first fit, which "
                "tells it the number of training examples; call fit() first."
            )

    def get_config(self) -> dict:
        """The method's name, its arguments, and what it was built for."""
        name = keras.saving.get_registered_name(type(self.method))
        if ">" not in name:
            from bnn import methods

            if getattr(methods, name, None) is not type(self.method):
                raise ValueError(
                    f"method {name} is saved by a name that Keras knows; put "
                    "@keras.saving.register_keras_serializable(package='mine') above its class."
                )
        arguments = Described.get_config(self.method)  # type: ignore[arg-type]
        return {"name": name, "arguments": arguments, "built_for": self.built_for}

    @classmethod
    def from_config(cls, config: dict) -> MethodSteps:
        """The steps that `get_config` described, not built yet."""
        from bnn import methods
        from bnn.described import decoded

        name = config["name"]
        kind = keras.saving.get_registered_object(name) or getattr(methods, name, None)
        if kind is None:
            raise ValueError(
                f"method {name} of the saved model is not known here; import the module that "
                "registers it first."
            )
        steps = cls(kind(**{key: decoded(value) for key, value in config["arguments"].items()}))
        steps.restored = config["built_for"]
        return steps


def _beside_steps(kind: type) -> str:
    """What a method of bnn does beside its steps, which only shows once it is built; or ""."""
    from bnn.methods import SWA, SnapshotEnsemble, StackedEnsemble
    from bnn.methods.sampler import Sampler

    if issubclass(kind, (Sampler, SWA, SnapshotEnsemble)):
        return _KEEPS
    return "it trains several models" if issubclass(kind, StackedEnsemble) else ""


def _batch(batch: tuple) -> Any:
    from bnn.data import Batch

    inputs, targets, weights = batch
    return Batch(inputs, targets, weights)


def _terms(info: Any) -> tuple[Any, Any, Any]:
    """What a step says; a method without variational family has a penalty in place of the KL."""
    said = info.metrics
    kl = said.get("kl", said.get("penalty", tf.zeros([])))
    return info.loss, said.get("nll", info.loss), kl


def _own_variables(method: Any, model: keras.Model) -> list[keras.Variable]:
    """What the method trains or counts beside the variables of network and likelihood."""
    known = {id(v) for v in model.variables}
    found = {id(v): v for v in (*method.variables, *method.trained) if id(v) not in known}
    return list(found.values())


def check_optimizer(optimizer: Any, method: Any) -> None:
    """Raises ValueError for an optimizer that expects a scaled loss."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            f"method {type(method).__name__} takes steps of the loss as it is, but the optimizer "
            "divides gradients by a scale of the loss; compile with auto_scale_loss=False, or use "
            "the dtype policy mixed_bfloat16."
        )
