"""The one form in which data reaches training and evaluation."""

import dataclasses
from typing import Literal

import numpy as np

from bnn.data import checks, scales

PARTS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A named set of examples, cut into training, validation and test parts, in numpy arrays.

    Inputs are float32 `[N, ...]`. Targets are class labels, int32 `[N]`, or standardised values,
    float32 `[N, D]`, with `y_own_units = y * target_scale + target_loc`. A part that does not
    exist has N = 0.

    Attributes:
      name: how errors, results and figures call the set.
      x_train, y_train, x_valid, y_valid, x_test, y_test: the parts.
      num_classes: labels lie in [0, num_classes); None for regression.
      target_loc, target_scale: float64 `[D]` in the target's own units; None for classification.
      input_loc, input_scale: what the loader subtracted from and divided the raw inputs by;
        broadcast to an example; None where inputs were not standardised.

    Raises:
      ValueError: parts that disagree, a wrong type or shape, a value that is not finite, or a
        label outside the range; the message names the set, the part and the first bad row.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int | None = None
    target_loc: np.ndarray | None = None
    target_scale: np.ndarray | None = None
    input_loc: np.ndarray | None = None
    input_scale: np.ndarray | None = None

    def __post_init__(self) -> None:
        for part in PARTS:
            x, y = self.part(part)
            checks.check_inputs(self.name, part, x)
            if x.shape[1:] != self.input_shape:
                raise ValueError(
                    f"{self.name}: x_{part} must hold examples of the shape of x_train, "
                    f"{self.input_shape}, got {x.shape[1:]}; bring all parts to one shape."
                )
            if self.num_classes is not None:
                checks.check_labels(self.name, part, y, self.num_classes)
            else:
                checks.check_targets(self.name, part, y, self.y_train.shape[1:])
            checks.check_lengths(self.name, part, x, y)
        if not self.num_train and not self.num_test:
            raise ValueError(
                f"{self.name}: x_train or x_test must hold an example, got 0 rows in both; "
                f"give at least one of them."
            )
        checks.check_scales(self.name, self.num_classes, self.num_targets, self)

    def part(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns `(x, y)` of the part "train", "valid" or "test".

        Raises:
          ValueError: no such part.
        """
        if part not in PARTS:
            raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}.")
        return getattr(self, f"x_{part}"), getattr(self, f"y_{part}")

    @property
    def num_train(self) -> int:
        """Training examples, without the validation part: what the KL is divided by."""
        return len(self.x_train)

    @property
    def num_valid(self) -> int:
        """Validation examples; 0 without a validation part."""
        return len(self.x_valid)

    @property
    def num_test(self) -> int:
        """Test examples."""
        return len(self.x_test)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.x_train.shape[1:]

    @property
    def task(self) -> Literal["classification", "regression"]:
        """What the targets are: class labels or values."""
        return "regression" if self.num_classes is None else "classification"

    @property
    def num_targets(self) -> int | None:
        """D, the values an example has to predict; None for classification."""
        return self.y_train.shape[1] if self.num_classes is None else None

    def to_own_units(self, y: np.ndarray) -> np.ndarray:
        """Returns standardised targets or predictions `[..., D]` in the target's own units.

        Raises:
          ValueError: labels have no units.
        """
        if self.target_loc is None or self.target_scale is None:
            raise ValueError(
                f"{self.name}: to_own_units needs regression targets, got class labels; "
                f"use labels as they are."
            )
        return y * self.target_scale + self.target_loc

    def prepare_inputs(self, raw: np.ndarray) -> np.ndarray:
        """Returns raw inputs `[N, ...]` as the set's own were prepared: `[N, *input_shape]`.

        Raw means before standardisation: pixels in [0, 1], features in their own units. Use it
        for new inputs and for another set's images (out-of-distribution tests).

        Raises:
          ValueError: an example has another number of values than the set's.
        """
        raw = np.asarray(raw)
        if raw.ndim < 1 or raw[:1].size != (len(raw) > 0) * np.prod(self.input_shape, dtype=int):
            raise ValueError(
                f"{self.name}: raw must be [N, ...] with the values of {self.input_shape} an "
                f"example, got shape {raw.shape}; resize the inputs first."
            )
        x = raw.reshape((len(raw), *self.input_shape))
        return scales.standardize(x, self.input_loc, self.input_scale)

    def __repr__(self) -> str:
        targets = f"{self.num_classes} classes" if self.num_classes else f"D = {self.num_targets}"
        return (
            f"Dataset({self.name}: {self.task}, {targets}, inputs {self.input_shape}, "
            f"{self.num_train} train, {self.num_valid} valid, {self.num_test} test)"
        )
