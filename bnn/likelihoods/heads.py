"""Several outputs: one likelihood each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.learned import check_positive
from bnn.likelihoods.likelihood import Likelihood


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Heads(Likelihood):
    """log p(y | outputs) = Σ_h weight_h log p_h(y_h | outputs_h).

    The heads' targets are independent given the outputs. Outputs and targets are dicts with the
    names of the likelihoods, or lists in their order.

    Args:
      likelihoods: `{name: likelihood}`, or a list of them for models with lists of outputs.
      weights: by name (or a list), 1 where not given. Others than 1 are no log-probability any
        more but a tempered one: they state that a head's targets count as so many (Kendall, Gal,
        Cipolla 2018 learn scales instead, as `Normal(trainable=True)` does).
    """

    task = "heads"

    def __init__(
        self,
        likelihoods: Mapping[str, Likelihood] | Sequence[Likelihood],
        weights: Mapping[str, float] | Sequence[float] | None = None,
    ) -> None:
        self.named = isinstance(likelihoods, Mapping)
        self.likelihoods = _by_name("likelihoods", likelihoods)
        wrong = [n for n, one in self.likelihoods.items() if not isinstance(one, Likelihood)]
        if wrong or not self.likelihoods:
            raise ValueError(
                f"likelihoods must be at least one likelihood object by name, got {likelihoods!r}; "
                "pass for example {'price': Normal(), 'kind': Categorical()}."
            )
        given = {} if weights is None else _by_name("weights", weights)
        unknown = sorted(set(given) - set(self.likelihoods))
        if unknown or (
            weights is not None and not self.named and len(given) != len(self.likelihoods)
        ):
            raise ValueError(
                f"weights must be of the heads {list(self.likelihoods)}, got {weights!r}; leave "
                "out those of weight 1."
            )
        self.weights = {
            name: check_positive(f"weights[{name!r}]", given.get(name, 1.0))
            for name in self.likelihoods
        }

    def build(self, num_targets: Any = 1) -> None:
        """Builds every head: for its own number by name, or all for one."""
        for name, likelihood in self.likelihoods.items():
            likelihood.build(_of_head("num_targets", num_targets, name, self))

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of the heads, in their order."""
        return [v for likelihood in self.likelihoods.values() for v in likelihood.variables]

    def num_outputs(self, num_targets: Any) -> Any:
        """By head, in the structure of the likelihoods; for numbers of targets by head, or one."""
        numbers = {
            name: likelihood.num_outputs(_of_head("num_targets", num_targets, name, self))
            for name, likelihood in self.likelihoods.items()
        }
        return numbers if self.named else list(numbers.values())

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Σ_h weight_h log p_h, `[B]`.

        Raises:
          ValueError: where outputs or targets have other heads; and as the heads' likelihoods do.
        """
        outputs, targets = self.split("outputs", outputs), self.split("targets", targets)
        each = [
            self.weights[name] * likelihood.checked_log_prob(outputs[name], targets[name])
            for name, likelihood in self.likelihoods.items()
        ]
        if any(not e.shape.is_compatible_with(each[0].shape) for e in each):
            counts = {name: e.shape[0] for name, e in zip(self.likelihoods, each, strict=True)}
            raise ValueError(
                f"Heads: every head must have one row an example, got {counts} rows; give all of "
                "them the outputs and targets of the same examples."
            )
        dtype = tf.float64 if any(e.dtype == tf.float64 for e in each) else tf.float32
        return tf.add_n([tf.cast(e, dtype) for e in each])

    def predictive(self, samples: Any, **units: Any) -> dict[str, Any]:
        """The predictive mixture of every head, by name.

        Args:
          samples: outputs `[S, B, …]` of every head.
          **units: by name of the head, a dict of that head's: `price={"loc": 3.0, "scale": 2.0}`.
        """
        unknown = sorted(set(units) - set(self.likelihoods))
        if unknown:
            raise ValueError(
                f"units must be of the heads {list(self.likelihoods)}, got {unknown}; give "
                "name={'loc': …, 'scale': …}."
            )
        samples = self.split("samples", samples)
        return {
            name: likelihood.predictive(samples[name], **units.get(name, {}))
            for name, likelihood in self.likelihoods.items()
        }

    def split(self, what: str, values: Any) -> dict[str, Any]:
        """Outputs, targets or samples by head.

        Args:
          what: their name, for errors.
          values: a dict with the names of the heads, or a list in their order.
        """
        names = list(self.likelihoods)
        if isinstance(values, Mapping) and set(values) == set(names):
            return dict(values)
        if isinstance(values, (list, tuple)) and len(values) == len(names):
            return dict(zip(names, values, strict=True))
        got = (
            f"a dict of {sorted(map(str, values))}"
            if isinstance(values, Mapping)
            else f"a {type(values).__name__}"
            + (f" of {len(values)}" if isinstance(values, (list, tuple)) else "")
        )
        raise ValueError(
            f"{what} must be a dict of the heads {names}, or a list of {len(names)} in this order, "
            f"got {got}; name the model's outputs as the likelihoods."
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        likelihoods = {
            name: keras.saving.serialize_keras_object(likelihood)
            for name, likelihood in self.likelihoods.items()
        }
        return {"likelihoods": likelihoods, "weights": dict(self.weights), "named": self.named}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Heads:
        """The likelihood described by `get_config`, not built."""
        likelihoods = {
            name: keras.saving.deserialize_keras_object(likelihood)
            for name, likelihood in config["likelihoods"].items()
        }
        if config["named"]:
            return cls(likelihoods, config["weights"])
        return cls(list(likelihoods.values()), list(config["weights"].values()))


def _by_name(argument: str, values: Any) -> dict[str, Any]:
    if isinstance(values, Mapping):
        return dict(values)
    if isinstance(values, (list, tuple)):
        return {str(number): value for number, value in enumerate(values)}
    raise ValueError(f"{argument} must be a dict by name or a list, got {values!r}.")


def _of_head(argument: str, values: Any, name: str, heads: Heads) -> Any:
    """The value of one head: a dict or list has one for each, a number serves all."""
    if isinstance(values, (Mapping, list, tuple)):
        return heads.split(argument, values)[name]
    return values
