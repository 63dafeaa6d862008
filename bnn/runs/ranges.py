"""What numbers gin parameters may be, by name: one word has one meaning, so one range.

Of the project's own parameters and of Keras's optimizers, which check little themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras

_MOST_COUNT = 2**31 - 1


class Range(NamedTuple):
    """Numbers from `least` to `most`; without the ends where they are open.

    Attributes:
      least: the lower end.
      most: the upper end.
      above: whether the lower end is left out.
      below: whether the upper end is left out.
      kind: of the parameter where it has no annotation.
    """

    least: float
    most: float = math.inf
    above: bool = False
    below: bool = False
    kind: Any = None

    def holds(self, number: float) -> bool:
        """Whether the number is in the range."""
        low = number > self.least if self.above else number >= self.least
        return low and (number < self.most if self.below else number <= self.most)

    def kind_of(self, annotation: Any) -> Any:
        """The parameter's kind."""
        return annotation if self.kind is None else self.kind

    def words(self, text: str, numbers: Sequence[float] = ()) -> str:
        """A kind's words with the range in them: `an integer of at least 1 or None`.

        Args:
          text: the words.
          numbers: that were given; a count's upper end is named where one is above it.
        """
        number = "a number"
        if (self.least, self.most, self.above) == (0, math.inf, True):
            number, bounds = "a positive number", ""
        elif self.most == math.inf:
            bounds = f" {'above' if self.above else 'of at least'} {self.least:g}"
        elif self.most == _MOST_COUNT and all(one <= self.most for one in numbers):
            bounds = f" of at least {self.least:g}"
        elif self.above or self.below:
            low = f"above {self.least:g}" if self.above else f"of at least {self.least:g}"
            high = f"below {self.most:g}" if self.below else f"at most {self.most:g}"
            bounds = f" {low} and {high}"
        else:
            bounds = f" from {self.least:g} to {self.most:.10g}"
        text = text.replace("a finite number", number + bounds)
        return text.replace("an integer", "an integer" + bounds)


_COUNT = Range(1, _MOST_COUNT)
_AT_LEAST_ZERO = Range(0)
_POSITIVE = Range(0, above=True)
_INSIDE = Range(0, 1, above=True, below=True)
_SHARE = Range(0, 1, below=True)
_SEED = Range(0, 2**32 - 1)

_OWN = {
    **dict.fromkeys(
        (
            *("batch_size", "num_predict_samples", "keep_checkpoints", "steps_per_call"),
            *("num_samples", "num_nodes", "num_components", "num_couplings", "hidden_units"),
            *("rank", "max_size", "max_categories", "max_tokens", "length", "cycles", "every"),
            *("num_draws", "units", "filters", "kernel_size", "strides", "dilation_rate"),
            *("depth_multiplier", "groups", "input_dim", "output_dim", "logical_cpus", "hidden"),
            *("size", "pixels", "channels", "num_members", "num_chains", "num_cycles"),
            *("num_features", "num_integrator_steps"),
        ),
        _COUNT,
    ),
    **dict.fromkeys(
        (
            *("epochs", "report_every", "scale", "initial_scale", "min_scale", "df", "gain"),
            *("concentration", "precision", "temperature", "separation", "wide_scale"),
            *("narrow_scale", "slab_scale", "spike_scale", "factor_prior_scale", "alpha"),
            *("epsilon", "HierarchicalNormal.shape", "HierarchicalNormal.rate", "length_scale"),
            *("initial_spread", "global_scale", "norm_bound", "jitter", "energy_variance"),
            *("decoherence_length", "step_size"),
            *("init_timeout", "finish_timeout", "upload_timeout"),
        ),
        _POSITIVE,
    ),
    **dict.fromkeys(("num_workers", "split"), Range(0, _MOST_COUNT)),
    "Crop.padding": _COUNT,
    "GroupNormalization.groups": Range(-1, _MOST_COUNT),
    **dict.fromkeys(("kl_weight", "save_seconds", "start_timeout"), _AT_LEAST_ZERO),
    **dict.fromkeys(("SGLD.temperature", "SGHMC.temperature"), _AT_LEAST_ZERO),  # 0: a descent
    **dict.fromkeys(("rate", "initial_rate", "weight", "level", "test_fraction"), _INSIDE),
    **dict.fromkeys(("inclusion", "prior_inclusion"), _INSIDE),
    "SpikeAndSlabNormal.temperature": Range(0, 1, above=True),
    "SnapshotEnsemble.learning_rate": _POSITIVE,
    **dict.fromkeys(
        (
            "validation_fraction",
            "label_smoothing",
            "warmup",
            "decay",
            "dropout",
            "recurrent_dropout",
        ),
        _SHARE,
    ),
    "fraction": Range(0, 1, above=True),
    "share": Range(0, 1, above=True, below=True),
    "widening": Range(1, above=True),
    "row_correlation": Range(-1, 1, above=True, below=True),
    "column_correlation": Range(-1, 1, above=True, below=True),
    "momentum": Range(0, 1),
    "seed": _SEED,
}
_RATE = float | keras.optimizers.schedules.LearningRateSchedule
_OPTIMIZER = {
    "learning_rate": _POSITIVE._replace(kind=_RATE),
    **dict.fromkeys(("beta_1", "beta_2", "rho", "momentum"), _SHARE._replace(kind=float)),
    "ema_momentum": Range(0, 1, kind=float),
    "epsilon": _POSITIVE._replace(kind=float),
    "weight_decay": Range(0, kind=float | None),
    "initial_accumulator_value": Range(0, kind=float),
    "gradient_accumulation_steps": Range(2, _MOST_COUNT, kind=int | None),
    "ema_overwrite_frequency": _COUNT._replace(kind=int | None),
    **dict.fromkeys(
        ("clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor"),
        _POSITIVE._replace(kind=float | None),
    ),
}


_ACTIVATIONS = tuple(
    name
    for name in sorted(dir(keras.activations))
    if name.islower() and callable(getattr(keras.activations, name))
    if name not in ("deserialize", "get", "serialize")
)
# Of a parameter that is no number.
_ACTIVATION = Range(-math.inf, kind=Literal[_ACTIVATIONS] | Callable | None)


def range_of(selector: str, parameter: str) -> Range | None:
    """The range of a parameter of a registered class or function; None where there is none."""
    if selector.startswith("keras.optimizers."):
        return _OPTIMIZER.get(parameter)
    if not selector.startswith("bnn."):
        return None
    if parameter == "activation":
        return _ACTIVATION
    return _OWN.get(f"{selector.rpartition('.')[2]}.{parameter}", _OWN.get(parameter))
