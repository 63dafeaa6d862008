"""Whether training had ended where it was stopped: the slope of the last fifth of the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bnn.formatting import show
from bnn.report.groups import Group
from bnn.report.runs import Run

# A slope this many standard errors from zero is none of the noise between reports, and one that
# moves the loss by this share of what all of training moved it is worth a word.
_CERTAIN, _WORTH = 4.0, 0.01
_FEWEST = 5


class Slope(NamedTuple):
    """The loss over the last fifth of the reports.

    Attributes:
      change: of its least-squares line from first to last report, nats per example.
      error: standard error of `change`.
      moved: how far the loss came in all of training, nats per example.
    """

    change: float
    error: float
    moved: float

    @property
    def sign(self) -> int:
        """-1 still falling, 1 rising, 0 neither."""
        if abs(self.change) <= max(_CERTAIN * self.error, _WORTH * self.moved):
            return 0
        return int(math.copysign(1, self.change))


def slope(records: Sequence[Mapping[str, Any]], num_train: float) -> Slope | None:
    """The slope of the loss `nll + KL / N` at the end; None where there are too few reports.

    Args:
      records: lines of `metrics.jsonl`, with `loss`, or with `nll` and `kl`.
      num_train: N.
    """
    points = [(r["step"], loss) for r in records if (loss := _loss(r, num_train)) is not None]
    last = points[-(len(points) // 5) :] if len(points) >= 5 * _FEWEST else points[-_FEWEST:]
    if len(points) < 2 * _FEWEST or len({step for step, _ in last}) < _FEWEST:
        return None
    steps, losses = np.array(last, np.float64).T
    centered = steps - steps.mean()
    rate = float(centered @ losses / (centered @ centered))
    rest = losses - losses.mean() - rate * centered
    error = math.sqrt(float(rest @ rest) / (len(last) - 2) / float(centered @ centered))
    span = float(steps[-1] - steps[0])
    values = [loss for _, loss in points]
    return Slope(rate * span, error * span, max(values) - min(values))


def _loss(record: Mapping[str, Any], num_train: float) -> float | None:
    loss = record.get("loss")
    if loss is None and record.get("nll") is not None and num_train > 0:
        loss = record["nll"] + (record.get("kl") or 0.0) / num_train
    return loss if loss is not None and math.isfinite(loss) else None


def convergence(group: Group) -> str:
    """In words: converged, still falling and by how much, rising, or not known."""
    found = [slope_of(run) for run in group.runs]
    known = [each for each in found if each is not None]
    if not known:
        return "not known: too few reports"
    falling = [each for each in known if each.sign < 0]
    rising = [each for each in known if each.sign > 0]
    if not falling and not rising:
        return "converged"
    parts = []
    for moving, word in ((falling, "falling"), (rising, "rising")):
        if moving:
            size = float(np.mean([abs(each.change) for each in moving]))
            which = "" if len(known) == 1 else f" in {len(moving)} of {len(known)} runs"
            parts.append(f"still {word}{which}, by {show(size, 2)} nats")
    return "; ".join(parts)


def slope_of(run: Run) -> Slope | None:
    """The slope of a run's loss over the last fifth of its reports."""
    return slope(run.records, float(run.results.get("num_train", 0)))
