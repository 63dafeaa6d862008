"""What a loop's loss is made of, measured from outside of it."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.estimators import Estimator
from bnn.ledger import ledger, recorded
from bnn.likelihoods import Likelihood
from bnn.noise import Noise, Purpose
from bnn.objectives import NegativeELBO
from bnn.sites import sites

_SEED = 2**20 + 7  # of the objective's noise, another than loops are likely to have
_REFERENCE_STEPS = 64


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loss function, and what it is meant to be the loss of.

    Attributes:
      model: built.
      loss: of (inputs, targets, step) or of (inputs, targets).
      batch: inputs and targets.
      likelihood: p(y | outputs).
      num_train: N.
      kl_weight: λ.
      estimator: of the objective that the loss is compared with.
    """

    model: keras.Model
    loss: Callable[..., tf.Tensor]
    batch: tuple[Any, Any]
    likelihood: Likelihood
    num_train: int
    kl_weight: float
    estimator: Estimator

    def at(self, step: int) -> tf.Tensor:
        """The loss at a step, as the loop calls it."""
        if _takes_step(self.loss):
            return self.loss(*self.batch, tf.constant(step, tf.int64))
        return self.loss(*self.batch)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What the loss turned out to be.

    Attributes:
      kl_factors: ∂ loss / ∂ KL by site; 0 of one that does not enter.
      ratio: likelihood's part of the gradient in that of the objective; 1 is right.
      standard_error: of the ratio.
      z: of its deviation from `scale`.
      scale: factor of the whole loss, 1 unless likelihood and KL have the same other one.
      without_gradient: variables that the objective trains and the loss does not.
      counted: how often the KL is in the loss by the gradient, λ is right; NaN where the noise is
        too large to tell.
      whole_gradient_agrees: whether the gradient is that of the objective with its KL, of a loss
        whose KL is not the ledger's.
    """

    kl_factors: dict[str, float]
    ratio: float
    standard_error: float
    z: float
    scale: float
    without_gradient: tuple[str, ...]
    whole_gradient_agrees: bool
    counted: float


def measure(loop: Loop, num_steps: int) -> Measured:
    """Takes gradients of the loss and of the objective over steps, and compares their means.

    Args:
      loop: whose sites are all tracked.
      num_steps: of each; at least 2.
    """
    variables = list(loop.model.trainable_variables)
    with eagerly():
        own, factors, reached = _of_loss(loop, variables, num_steps)
        kl_gradient = _of_kl(loop, variables)
    both = _of_objective(loop, variables, range(2 * _REFERENCE_STEPS))
    likelihood, direction = both[:_REFERENCE_STEPS], both[_REFERENCE_STEPS:].mean(axis=0)
    # Without the KL's part, as far as it is the ledger's: it is judged by its factor.
    mean_factor = float(np.mean(list(factors.values()))) if factors else 0.0
    left = own - sum(kl_gradient[name] * factor for name, factor in factors.items())
    ratio, error = _ratio(left @ direction, likelihood @ direction)
    wanted = loop.kl_weight / loop.num_train
    common = mean_factor / wanted if wanted and mean_factor else 1.0
    # A whole loss in another unit, such as a sum over the batch, is no mistake.
    is_scaled = (
        abs(ratio / common - 1) < min(6 * error / common, 0.1) and abs(ratio - 1) > 6 * error
    )
    scale = common if is_scaled and error < 0.1 * abs(ratio) else 1.0
    kl_sum = sum(kl_gradient.values(), start=np.zeros_like(own[0]))
    counted, counted_error = _ratio_of_kl(own, likelihood, kl_sum, loop.num_train)
    agrees = abs(counted - loop.kl_weight) < min(6 * counted_error, 0.5 * loop.kl_weight)
    sizes = np.cumsum([0, *(int(np.prod(v.shape)) for v in variables)])
    absent = tuple(
        v.path
        for v, seen, start, stop in zip(variables, reached, sizes[:-1], sizes[1:], strict=True)
        if not seen and np.abs(direction[start:stop]).max(initial=0.0) > 0
    )
    if not counted_error < 0.08 * loop.kl_weight:
        counted = math.nan
    z = (ratio - scale) / error
    return Measured(factors, ratio, error, z, scale, absent, bool(agrees), counted)


def _ratio(own: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """mean(own) / mean(reference) and its standard error by the delta method."""
    if not reference.mean():
        return math.nan, math.nan
    ratio = float(own.mean() / reference.mean())
    variance = own.var(ddof=1) / len(own) + ratio**2 * reference.var(ddof=1) / len(reference)
    return ratio, max(float(np.sqrt(variance) / abs(reference.mean())), 1e-6)


def _ratio_of_kl(
    own: np.ndarray, likelihood: np.ndarray, kl: np.ndarray, num_train: int
) -> tuple[float, float]:
    """KL weight by the gradients alone, and its standard error."""
    along = num_train * kl / max(float(kl @ kl), 1e-30)
    left, right = own @ along, likelihood @ along
    variance = left.var(ddof=1) / len(left) + right.var(ddof=1) / len(right)
    return float(left.mean() - right.mean()), float(np.sqrt(variance))


def _of_loss(
    loop: Loop, variables: Sequence[Any], num_steps: int
) -> tuple[np.ndarray, dict[str, float], list[bool]]:
    """Gradients `[steps, weights]`, the KL's factors, and which variables have a gradient."""
    names = {site: name for name, site in sites(loop.model).items()}
    rows, reached = [], [False] * len(variables)
    factors: dict[str, float] = {}
    for step in range(num_steps):
        with tf.GradientTape(persistent=True) as tape, recorded() as entries:
            loss = tf.reduce_sum(loop.at(step))
        gradients = tape.gradient(loss, variables)
        reached = [r or g is not None for r, g in zip(reached, gradients, strict=True)]
        rows.append(_flat(gradients, variables))
        if step == 0:
            factors = dict.fromkeys(names.values(), 0.0)
            for site, kl in entries:
                factor = tape.gradient(loss, kl)
                if factor is not None and site in names:
                    factors[names[site]] += float(factor)
        del tape
    return np.stack(rows), factors, reached


def _of_objective(loop: Loop, variables: Sequence[Any], steps: range) -> np.ndarray:
    """Gradients of the likelihood's part of the negative ELBO, `[steps, weights]`."""
    objective = NegativeELBO(loop.likelihood, loop.num_train)

    @tf.function
    def gradients(step: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            terms = objective(
                loop.model,
                *loop.batch,
                estimator=loop.estimator,
                noise=Noise(_SEED, step, purpose=Purpose.PROBE),
                training=True,
            )
            part = terms.nll + terms.regularization
        return [
            tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(tape.gradient(part, variables), variables, strict=True)
        ]

    return np.stack([_flat(gradients(tf.constant(step, tf.int64)), variables) for step in steps])


def _of_kl(loop: Loop, variables: Sequence[Any]) -> dict[str, np.ndarray]:
    """The gradient of every site's KL."""
    with tf.GradientTape(persistent=True) as tape:
        kl = ledger(loop.model, noise=Noise(_SEED, 0))
    return {name: _flat(tape.gradient(value, variables), variables) for name, value in kl.items()}


def _flat(gradients: Sequence[Any], variables: Sequence[Any]) -> np.ndarray:
    parts = [
        np.zeros(int(np.prod(v.shape))) if g is None else np.ravel(tf.convert_to_tensor(g).numpy())
        for g, v in zip(gradients, variables, strict=True)
    ]
    return np.concatenate(parts).astype(np.float64)


def _takes_step(loss: Any) -> bool:
    function = getattr(loss, "python_function", loss)
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in kinds]
    return len(positional) >= 3 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Compiled functions run step by step, so that what happens in them can be seen."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
