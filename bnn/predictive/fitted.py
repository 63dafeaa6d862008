"""What is fitted to held-out predictions: its checks, and how it is written down."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bnn.formatting import is_number

_KINDS: dict[str, type[Fitted]] = {}


class Fitted(abc.ABC):
    """Numbers that were fitted to predictions of examples which training has not seen.

    A subclass names the constructor's arguments in `options` and keeps what it fitted in `state`.

    Attributes:
      state: what was fitted, arrays by name; empty before `fit`.
    """

    options: ClassVar[tuple[str, ...]] = ()
    state: dict[str, np.ndarray]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Makes the class known by its name, as files have it."""
        super().__init_subclass__(**kwargs)
        _KINDS[cls.__name__] = cls

    def describe(self) -> dict[str, Any]:
        """Class and constructor's arguments, JSON values."""
        return {"kind": type(self).__name__, **{name: getattr(self, name) for name in self.options}}

    def require_fitted(self) -> None:
        """ValueError before `fit`."""
        if not self.state:
            raise ValueError(
                f"{type(self).__name__} must be fitted first; call fit with predictions of "
                "validation examples and their targets."
            )

    def __repr__(self) -> str:
        """Class and arguments."""
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options)
        return f"{type(self).__name__}({options})"


def described(description: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> Any:
    """The object that `describe` described, with its state.

    Raises:
      ValueError: a kind that is not known.
    """
    options = dict(description)
    kind = options.pop("kind", None)
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(sorted(_KINDS))}, got {kind!r}.")
    fitted = _KINDS[kind](**options)
    fitted.state = dict(state)
    return fitted


def check_probs(probs: Any) -> np.ndarray:
    """Probabilities `[N, C]` in float64; those of a `Predictive` are its mean.

    Raises:
      ValueError: a prediction of numbers, another shape, or rows that are no probabilities.
    """
    likelihood = getattr(probs, "likelihood", None)
    if getattr(likelihood, "task", "classification") != "classification":
        raise ValueError(
            "maps of probabilities and sets are of classes, got the targets of "
            f"{type(likelihood).__name__}; of numbers use intervals, such as "
            "conformal=NormalizedResidual(0.9), alone."
        )
    probs = np.asarray(probs.mean if hasattr(probs, "likelihood") else probs, np.float64)
    if probs.ndim != 2 or probs.shape[1] < 2 or not len(probs):
        raise ValueError(
            f"probs must have shape [N, C] with at least 2 classes, got {probs.shape}; give the "
            "mean probabilities of a bnn.predictive of classes."
        )
    wrong = ~((probs >= 0).all(axis=1) & (np.abs(probs.sum(axis=1) - 1) < 1e-4))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"probs must be probabilities that sum to 1, got a sum of {probs[row].sum():.6g} in "
            f"row {row}; take the softmax of logits."
        )
    return probs


def check_labels(labels: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Integer labels `[N]` in [0, C); ValueError for others."""
    labels = np.asarray(labels)
    if labels.shape != shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers of shape {shape[:1]}, got {labels.dtype} of {labels.shape}; "
            "give the class numbers of the same examples."
        )
    if labels.min() < 0 or labels.max() >= shape[1]:
        raise ValueError(
            f"labels must lie in [0, {shape[1]}), got {labels.min()} to {labels.max()}."
        )
    return labels


def check_level(level: Any) -> float:
    """A probability strictly between 0 and 1."""
    if not is_number(level) or not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level!r}; 0.9 is usual.")
    return float(level)


def check_flag(argument: str, value: Any) -> bool:
    """True or False; ValueError for others, such as the text "no", which would count as True."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{argument} must be True or False, got {value!r}.")
    return bool(value)
