"""What is fitted to a validation part after training, as one: a recalibration, a conformal rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnn.noise import Noise, Purpose
from bnn.predictive.conformal import ConformalIntervals, ConformalSets
from bnn.predictive.fitted import check_labels, check_probs, described
from bnn.predictive.scaling import Scaling

_FORMAT = 1
_SPLIT_SEED = 0  # of the halves; nothing is gained by choosing


class Calibration:
    """A recalibration of probabilities, a conformal rule, or both.

    With both, the recalibration is fitted to one half of the examples, chosen at random, and the
    rule to the other: scores of examples that the map has been fitted to would be too good, and
    the guarantee lost. Neither knows whether the validation part has served to choose the model;
    then the guarantee is of validation examples that were set aside alone.

    Args:
      scaling: such as `TemperatureScaling()`, for classes; or None.
      conformal: such as `LAC(0.9)` for classes, `NormalizedResidual(0.9)` for numbers; or None.

    Attributes:
      made_with: of what prediction: its number of samples, its seed …; free.

    Raises:
      ValueError: neither, something else, or intervals with a map of probabilities.
    """

    def __init__(self, scaling: Scaling | None = None, conformal: Any = None) -> None:
        _require_kind("scaling", scaling)
        _require_kind("conformal", conformal)
        if scaling is None and conformal is None:
            raise ValueError(
                "scaling or conformal must be given, got neither; conformal=LAC(0.9) is one of "
                "classes, conformal=NormalizedResidual(0.9) one of numbers."
            )
        if scaling is not None and isinstance(conformal, ConformalIntervals):
            raise ValueError(
                f"scaling is of classes and {type(conformal).__name__} of numbers; give one: of a "
                f"regression conformal={conformal!r} alone."
            )
        self.scaling, self.conformal = scaling, conformal
        self.made_with: dict[str, Any] = {}

    def fit(self, said: Any, targets: Any) -> Calibration:
        """Fits to a `Predictive` of validation examples, or probabilities, and their targets."""
        if isinstance(self.conformal, ConformalIntervals):
            self.conformal.fit(said, targets)
            return self
        probs = check_probs(said)
        labels = check_labels(targets, probs.shape)
        if self.scaling is None:
            self.conformal.fit(probs, labels)
        elif self.conformal is None:
            self.scaling.fit(probs, labels)
        else:
            keys = Noise(_SPLIT_SEED, purpose=Purpose.DATA).bits((len(labels),)).numpy()
            first, second = np.array_split(np.argsort(keys, kind="stable"), 2)
            before = self.scaling.state
            try:
                self.scaling.fit(probs[first], labels[first])
            except ValueError as refused:
                raise ValueError(
                    f"{refused} Beside a conformal rule the scaling has half of the {len(labels)} "
                    "examples."
                ) from refused
            try:
                self.conformal.fit(self.scaling(probs[second]), labels[second])
            except ValueError:  # the rule of before is right with the map of before alone
                self.scaling.state = before
                raise
        return self

    def probs(self, said: Any) -> np.ndarray:
        """Recalibrated probabilities `[N, C]`; as they are without a `scaling`."""
        probs = check_probs(said)
        return probs if self.scaling is None else self.scaling(probs)

    def sets(self, said: Any) -> np.ndarray:
        """Classes in the set of each input, booleans `[N, C]`; ValueError without such a rule."""
        self._require(ConformalSets, "sets are of classes, with a rule such as LAC(0.9)")
        return self.conformal.sets(self.probs(said))

    def interval(self, said: Any) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends `[N, D]` of a `Predictive`; ValueError without such a rule."""
        rule = "intervals are of numbers, with a rule such as NormalizedResidual(0.9)"
        self._require(ConformalIntervals, rule)
        return self.conformal.interval(said)

    def _require(self, kind: type, what: str) -> None:
        if not isinstance(self.conformal, kind):
            raise ValueError(f"{what}, got {self.conformal!r}; calibrate with one.")

    def __repr__(self) -> str:
        """Its parts."""
        return f"Calibration(scaling={self.scaling!r}, conformal={self.conformal!r})"

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name, for a file; nothing of it is an object."""
        parts = {
            n: p for n in ("scaling", "conformal") if (p := getattr(self, n)) is not None
        }  # fmt: skip
        about = {
            "format": _FORMAT,
            "made_with": self.made_with,
            **{name: part.describe() for name, part in parts.items()},
        }
        arrays = {
            f"{name}/{key}": value
            for name, part in parts.items()
            for key, value in part.state.items()
        }
        return {"about": np.array(json.dumps(about)), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Calibration:
        """What `to_arrays` gave.

        Raises:
          ValueError: another format, or damage.
        """
        try:
            about = json.loads(str(arrays["about"]))
            found = about["format"]
        except (KeyError, TypeError, ValueError) as damage:
            raise ValueError(f"it holds no calibration ({damage})") from damage
        if found != _FORMAT:
            raise ValueError(f"its format must be {_FORMAT}, got {found}")
        parts = {
            name: described(about[name], _under(f"{name}/", arrays))
            for name in ("scaling", "conformal")
            if name in about
        }
        calibration = cls(**parts)
        calibration.made_with = dict(about["made_with"])
        return calibration


_RULES = (ConformalSets, ConformalIntervals)
_PLACES: dict[str, Any] = {"scaling": Scaling, "conformal": _RULES}
_EXAMPLES = {
    "scaling": "TemperatureScaling()",
    "conformal": "LAC(0.9) of classes or NormalizedResidual(0.9) of numbers",
}


def _require_kind(argument: str, given: Any) -> None:
    """ValueError for what is no object of the argument's kind, naming the call that takes it."""
    if given is None or isinstance(given, _PLACES[argument]):
        return
    kind = given if isinstance(given, type) else type(given)
    shown = f"the class {kind.__name__}" if given is kind else repr(given)
    if not issubclass(kind, (Scaling, *_RULES)):
        raise ValueError(
            f"{argument} must be an object such as {_EXAMPLES[argument]}, or None, got {shown}."
        )
    belongs = "scaling" if issubclass(kind, Scaling) else "conformal"
    call = f"{belongs}={kind.__name__}()" if given is kind else f"{belongs}={given!r}"
    if belongs == argument:
        raise ValueError(f"{argument} must be an object, got {shown}; pass {call}.")
    what = "a map of probabilities" if belongs == "scaling" else "a conformal rule"
    beside = "alone" if issubclass(kind, ConformalIntervals) else f"alone or beside {argument}"
    raise ValueError(
        f"{shown} is {what}, which is the argument {belongs} and not {argument}; pass {call}, "
        f"{beside}."
    )


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
