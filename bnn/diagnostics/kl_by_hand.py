"""A KL that a loop writes by hand: measured by how the loss moves with scales and means."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.diagnostics.audit_calls import state_restored
from bnn.diagnostics.loop import Loop, eagerly
from bnn.ledger import ledger
from bnn.noise import Noise
from bnn.sites import sites

_MOVES = {"scales": 3.0, "means": 0.5}  # ρ + 3 is twenty times σ, where σ = exp ρ
_TOLERANCE = 3e-3  # of the KL's change
_ROUNDING = 1e-6  # of a loss in float32
_GRADIENT = 0.2


@dataclasses.dataclass(frozen=True)
class Moved:
    """What moving one kind of variables changes.

    Attributes:
      what: "scales" or "means".
      by: that was added to every one of them.
      counted: N times the change of the loss without its NLL, nats.
      wanted: the same of the ledger, times λ.
    """

    what: str
    by: float
    counted: float
    wanted: float

    @property
    def is_right(self) -> bool:
        """Whether both moved alike."""
        return abs(self.counted - self.wanted) <= _TOLERANCE * abs(self.wanted)

    @property
    def is_absent(self) -> bool:
        """Whether the loss does not move as a KL at all."""
        return abs(self.counted) <= _TOLERANCE * abs(self.wanted)


@dataclasses.dataclass(frozen=True)
class ByHand:
    """What of the loss is not the NLL.

    Attributes:
      moved: with the scales, and with the means; none of a loss that is the NLL alone.
      gradient: of it, along the KL's: how often that is in it, 1 is right.
    """

    moved: tuple[Moved, ...]
    gradient: float

    @property
    def is_right(self) -> bool:
        """Whether it is the KL, and its gradient arrives."""
        return all(one.is_right for one in self.moved) and self.arrives

    @property
    def is_absent(self) -> bool:
        """Whether the loss does not move as a KL at all."""
        return all(one.is_absent for one in self.moved)

    @property
    def times(self) -> float | None:
        """How often the loss has the KL, where both moves say the same; else None."""
        each = [one.counted / one.wanted for one in self.moved if one.wanted]
        if len(each) < len(self.moved) or max(each) - min(each) > _TOLERANCE * abs(max(each)):
            return None
        return max(each)

    @property
    def arrives(self) -> bool:
        """Whether the gradient has about its size: its value is judged by the moves."""
        return abs(self.gradient - 1) < _GRADIENT


def kl_by_hand(loop: Loop) -> ByHand | None:
    """How the loss moves as a KL, beside the ledger; a gradient at one place shows less.

    The NLL is that of the outputs which the loop's own call of the model gave, so that what is left
    of the loss has no noise. None where that is not so, as of a KL that is sampled, a loss of
    another unit, regularizers or outputs that the model does not give; and where rounding hides the
    KL.
    """
    with state_restored(loop.model), eagerly(), _outputs_of(loop.model) as outputs:
        if loop.model.losses or not _is_closed(loop.model):
            return None
        first, second = (_rest(loop, outputs, step) for step in range(2))
        if first is None or second is None:
            return None
        if not abs(first.rest - second.rest) <= _rounding(first):  # so written for NaN
            return None
        kl = _kl(loop.model)
        if abs(first.rest) <= _rounding(first) < loop.kl_weight * kl / loop.num_train:
            return ByHand((), 0.0)
        found = [_moved(loop, outputs, first, kl, what) for what in _MOVES]
        gradient = _along_the_kl(loop, outputs)
    seen = tuple(one for one in found if one is not None)
    return ByHand(seen, gradient) if len(seen) == len(_MOVES) else None


@dataclasses.dataclass(frozen=True)
class _Parts:
    nll: float
    rest: float  # of the loss


def _rounding(parts: _Parts) -> float:
    return _ROUNDING * max(1.0, abs(parts.nll), abs(parts.rest))


def _rest(loop: Loop, outputs: list[Any], step: int) -> _Parts | None:
    """The loss in its parts; None where the model was not called, or gave no legal outputs."""
    outputs.clear()
    loss = float(tf.reduce_sum(loop.at(step)))
    if not outputs:
        return None
    try:
        nll = float(_nll(loop, outputs))
    except (ValueError, tf.errors.InvalidArgumentError):
        return None
    return _Parts(nll, loss - nll)


def _nll(loop: Loop, outputs: list[Any]) -> tf.Tensor:
    """−log p of an example, the mean over the batch and over the calls of the model."""
    each = [tf.reduce_mean(loop.likelihood.log_prob(one, loop.batch[1])) for one in outputs]
    return -tf.add_n(each) / len(each)


def _along_the_kl(loop: Loop, outputs: list[Any]) -> float:
    variables = [v for found in _variables(loop.model).values() for v in found]
    outputs.clear()
    with tf.GradientTape(persistent=True) as tape:
        rest = tf.reduce_sum(loop.at(0)) - _nll(loop, outputs)
        kl = tf.add_n(list(ledger(loop.model, noise=Noise(0, 0)).values()))
    own, wanted = (
        [0.0 if g is None else tf.convert_to_tensor(g) for g in tape.gradient(value, variables)]
        for value in (rest, kl)
    )
    both = sum(float(tf.reduce_sum(a * b)) for a, b in zip(own, wanted, strict=True))
    size = sum(float(tf.reduce_sum(b * b)) for b in wanted)
    return loop.num_train * both / (loop.kl_weight * size) if size else 1.0


def _moved(loop: Loop, outputs: list[Any], before: _Parts, kl: float, what: str) -> Moved | None:
    variables, by = _variables(loop.model)[what], _MOVES[what]
    held = [keras.ops.convert_to_numpy(v) for v in variables]
    try:
        for variable in variables:
            variable.assign_add(tf.fill(variable.shape, by))
        after, moved_kl = _rest(loop, outputs, 0), _kl(loop.model)
    finally:
        for variable, value in zip(variables, held, strict=True):
            variable.assign(value)
    if after is None or not np.isfinite([after.nll, after.rest]).all():
        return None
    wanted = loop.kl_weight * (moved_kl - kl)
    counted = loop.num_train * (after.rest - before.rest)
    rounding = loop.num_train * max(map(_rounding, (before, after)))
    if rounding > _TOLERANCE * max(abs(wanted), abs(counted)):
        return None
    return Moved(what, by, counted, wanted)


def _variables(model: keras.Model) -> dict[str, list[keras.Variable]]:
    found: dict[str, list[keras.Variable]] = {name: [] for name in _MOVES}
    for site in sites(model).values():
        scales = site.posterior.scale_variables
        is_scale = {id(v) for v in scales}
        found["scales"] += scales
        found["means"] += [v for v in site.posterior.variables if id(v) not in is_scale]
    return found


def _kl(model: keras.Model, step: int = 0) -> float:
    return sum(float(nats) for nats in ledger(model, noise=Noise(0, step)).values())


def _is_closed(model: keras.Model) -> bool:
    return _kl(model, 0) == _kl(model, 1)


@contextlib.contextmanager
def _outputs_of(model: keras.Model) -> Iterator[list[Any]]:
    """What every call of the model gives, in the context."""
    outputs: list[Any] = []
    call = model.call

    def noted(*arguments: Any, **options: Any) -> Any:
        given = call(*arguments, **options)
        outputs.append(given)
        return given

    model.call = noted
    try:
        yield outputs
    finally:
        del model.call
