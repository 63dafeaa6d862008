"""Mixtures of two examples, inputs and targets alike."""

from __future__ import annotations

import dataclasses
from typing import Any

import gin
import numpy as np
import scipy.special

from bnn.data import nests
from bnn.data.augmentation.base import Draws, Map
from bnn.data.examples import Example


@gin.register(module="bnn.data.augmentation")
@dataclasses.dataclass(frozen=True)
class Mixup(Map):
    """`x = λ xᵢ + (1 − λ) xⱼ`, `y` alike, λ ~ Beta(α, α) an example, j the next of the batch.

    Labels become probabilities, float32 `[B, C]`: the likelihood has to take such (soft) targets,
    as `bnn.likelihoods.SoftCategorical` does.
    The batch of the last example's partner is the first. See `Map` for N; here the targets are no
    longer what was observed either.

    Reference: Zhang, Cisse, Dauphin, Lopez-Paz (2018), "mixup: Beyond empirical risk minimization",
    section 2.

    Args:
      alpha: α, above 0; 0.2 is usual.
      num_classes: C; None: the data set's.
    """

    alpha: float = 0.2
    num_classes: Any = None
    mixes_examples = True

    def __post_init__(self) -> None:
        if isinstance(self.alpha, bool) or not 0 < self.alpha < np.inf:
            raise ValueError(f"Mixup: alpha must be above 0, got {self.alpha!r}; use 0.2.")

    def bind(self, data: Any) -> Mixup:
        """Returns the map with the data set's number of classes."""
        for label, x in nests.leaves("inputs", data.x_train):
            if x.dtype != np.float32:
                raise ValueError(
                    f"Mixup takes float32 inputs, got {x.dtype} in {label}; token numbers cannot "
                    f"be mixed: leave Mixup out."
                )
        for label, kind in nests.leaves("targets", data.kinds):
            if kind not in ("labels", "values"):
                raise ValueError(
                    f"Mixup takes labels and values as targets, got {kind} in {label}; leave it "
                    f"out."
                )
        return dataclasses.replace(self, num_classes=data.num_classes)

    def __call__(self, batch: Example, draws: Draws) -> Example:
        """Returns mixtures; weights stay those of the first of the two."""
        # The inverse distribution function of one uniform number: no rejection, one draw.
        share = scipy.special.betaincinv(self.alpha, self.alpha, draws.uniform(1)[:, 0])
        share = share.astype(np.float32)

        def mix(values: np.ndarray) -> np.ndarray:
            own = share.reshape(-1, *[1] * (values.ndim - 1))
            return own * values + (1 - own) * np.roll(values, -1, axis=0)

        targets = nests.mapped(mix, self.observed(batch).targets)
        return batch._replace(inputs=nests.mapped(mix, batch.inputs), targets=targets)

    def observed(self, batch: Example) -> Example:
        """Returns the batch with labels as one-hot probabilities."""
        classes = self.num_classes
        if isinstance(batch.targets, dict):
            classes = {key: (classes or {}).get(key) for key in batch.targets}
        return batch._replace(targets=nests.mapped(_one_hot, batch.targets, classes))


def _one_hot(labels: np.ndarray, num_classes: int | None) -> np.ndarray:
    """Probabilities of labels; values, float32, as they are."""
    if labels.dtype == np.float32:
        return labels
    if num_classes is None:
        raise ValueError(
            "Mixup: num_classes must be given for labels, got None; augmented() takes it from the "
            "data set."
        )
    return np.eye(num_classes, dtype=np.float32)[labels]
