"""Sequences and images: a likelihood at every position, summed over an example's positions."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import keras_mask
from bnn.likelihoods.likelihood import Likelihood
from bnn.likelihoods.targets import as_float, one_target


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Positions(Likelihood):
    """log p(y | outputs) = Σ_t mask_t log p(y_t | outputs_t): labels of tokens, time steps, pixels.

    Outputs are `[B, T, K]` or `[B, H, W, K]`, with any number of axes between; targets have one
    event of the inner likelihood at every position: `[B, T]` for labels, `[B, T, D]` for columns.
    The sum is what the ELBO needs: a mean over positions would weigh the KL by their number.

    Positions do not count where a mask is False: that of `log_prob(…, mask=…)`, the Keras mask of
    the outputs (as a `Masking` or `Embedding(mask_zero=True)` layer passes it on), and where the
    target is `ignore`. Their targets may be anything.

    Args:
      likelihood: of one position.
      ignore: a target value that stands for none, −1 or NaN for example.
    """

    def __init__(self, likelihood: Likelihood, ignore: float | None = None) -> None:
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                f"likelihood must be a likelihood object, got {likelihood!r}; pass for example "
                "bnn.likelihoods.Categorical(), with the parentheses."
            )
        self.likelihood = likelihood
        self.ignore = ignore

    @property
    def task(self) -> str:  # type: ignore[override]
        """That of the positions."""
        return self.likelihood.task

    def build(self, num_targets: int = 1) -> None:
        """Builds the inner likelihood."""
        self.likelihood.build(num_targets)

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of the inner likelihood."""
        return self.likelihood.variables

    def num_outputs(self, num_targets: int) -> int:
        """Those of the inner likelihood, at every position."""
        return self.likelihood.num_outputs(num_targets)

    def log_prob(self, outputs: Any, targets: Any, mask: Any = None) -> tf.Tensor:
        """Σ_t mask_t log p(y_t | outputs_t), `[B]`; 0 for an example that is masked altogether.

        Args:
          outputs: `[B, …, K]`.
          targets: `[B, …]` or `[B, …, D]`.
          mask: `[B, …]`, True (or 1) where a position counts, False (or 0) where not; all count
            where None.

        Raises:
          ValueError: where the positions of outputs, targets and mask differ; for a mask of other
            numbers than 0 and 1, as a position has no weight; and as the inner likelihood does, for
            the positions that count.
        """
        mask = self._mask(outputs, targets, mask)
        flat_outputs, flat_targets = self._flat(outputs, targets)
        outputs = tf.convert_to_tensor(outputs)
        if mask is not None:
            keep = tf.reshape(mask, [-1])
            neutral = tf.cast(self.likelihood.neutral_target, flat_targets.dtype)
            columns = keep if flat_targets.shape.rank == 1 else keep[:, tf.newaxis]
            flat_targets = tf.where(columns, flat_targets, neutral)
        log_prob = self.likelihood.checked_log_prob(flat_outputs, flat_targets)
        log_prob = tf.reshape(log_prob, tf.shape(outputs)[:-1])
        if mask is not None:
            log_prob = tf.where(mask, log_prob, tf.zeros_like(log_prob))
        summed = tf.reduce_sum(log_prob, axis=list(range(1, outputs.shape.rank - 1)))
        return tf.ensure_shape(summed, outputs.shape[:1])

    def predictive(self, samples: Any, **units: Any) -> Any:
        """The predictive mixture of every position by itself, `[B T]` of them in a row.

        `flatten` brings targets and mask to the same order. An example's joint log-probability is
        not the sum of these: the positions share the weights.

        Args:
          samples: `[S, B, …, K]`.
          **units: of the inner likelihood.

        Raises:
          ValueError: samples without axes of positions; and as the inner likelihood does.
        """
        return self.likelihood.predictive(self._flat_samples(samples), **units)

    def joint_log_prob(self, samples: Any, targets: Any, mask: Any = None) -> tf.Tensor:
        """Log (1/S) Σₛ ∏_t p(y_t | outputsₛₜ), `[B]`, of samples `[S, B, …, K]`."""
        samples = as_float(samples)
        each = tf.stack([self.log_prob(s, targets, mask) for s in tf.unstack(samples)])
        return tf.reduce_logsumexp(each, axis=0) - tf.math.log(
            tf.cast(tf.shape(samples)[0], each.dtype)
        )

    def flatten(self, samples: Any, targets: Any, mask: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Samples `[S, N, K]` and targets `[N]` or `[N, D]` of the N positions that count.

        For metrics of positions; not for XLA, as N depends on the mask.
        """
        samples = as_float(samples)
        mask = self._mask(samples[0], targets, mask)
        _, flat_targets = self._flat(samples[0], targets)
        flat = self._flat_samples(samples)
        if mask is None:
            return flat, flat_targets
        keep = tf.reshape(mask, [-1])
        return tf.boolean_mask(flat, keep, axis=1), tf.boolean_mask(flat_targets, keep)

    def _flat_samples(self, samples: Any) -> tf.Tensor:
        samples = tf.convert_to_tensor(samples)
        if samples.shape.rank < 4:
            raise ValueError(
                f"Positions({type(self.likelihood).__name__}) takes samples [S, B, …, K] with axes "
                f"of positions, got shape {samples.shape}; add the axis of samples to the outputs "
                "of one function with samples[None]."
            )
        shape = tf.concat([tf.shape(samples)[:1], [-1], tf.shape(samples)[-1:]], axis=0)
        return tf.ensure_shape(
            tf.reshape(samples, shape), [samples.shape[0], None, samples.shape[-1]]
        )

    def _flat(self, outputs: Any, targets: Any) -> tuple[tf.Tensor, tf.Tensor]:
        name = f"Positions({type(self.likelihood).__name__})"
        if not hasattr(outputs, "shape") or len(outputs.shape) < 3:
            raise ValueError(
                f"{name} takes outputs [B, …, K] with axes of positions, got "
                f"{getattr(outputs, 'shape', type(outputs).__name__)}; use the likelihood without "
                "Positions for one event an example."
            )
        targets = one_target(name, targets, "targets [B, …] or [B, …, D]")
        rank, positions = targets.shape.rank, tf.TensorShape(outputs.shape[:-1])
        fits = rank in (len(positions), len(positions) + 1) and targets.shape[
            : len(positions)
        ].is_compatible_with(positions)
        if not fits:
            raise ValueError(
                f"{name}: targets must have one event at each of the outputs' positions, "
                f"{positions} or {positions} and columns, got shape {targets.shape}; bring both to "
                "the same positions."
            )
        outputs = tf.convert_to_tensor(outputs)
        flat_outputs = tf.reshape(outputs, tf.stack([-1, outputs.shape[-1]]))
        if rank == len(positions):
            return flat_outputs, tf.reshape(targets, [-1])
        return flat_outputs, tf.reshape(targets, tf.stack([-1, targets.shape[-1]]))

    def _mask(self, outputs: Any, targets: Any, mask: Any) -> tf.Tensor | None:
        """The positions that count, `[B, …]`; None where all do."""
        masks = []
        if mask is not None:
            masks.append(_as_mask(mask))
        attached = keras_mask(outputs)
        if attached is not None:
            masks.append(tf.cast(tf.convert_to_tensor(attached), tf.bool))
        positions = tf.TensorShape(getattr(outputs, "shape", [])[:-1])
        if self.ignore is not None:
            targets = tf.convert_to_tensor(targets)
            counts = _differs(targets, self.ignore)
            if targets.shape.rank == len(positions) + 1:
                counts = tf.reduce_all(counts, axis=-1)
            masks.append(counts)
        for one in masks:
            if not one.shape.is_compatible_with(positions):
                raise ValueError(
                    f"mask must have the shape of the positions, {positions}, got {one.shape}; "
                    "it is True where a position counts."
                )
        if not masks:
            return None
        whole = masks[0]
        for one in masks[1:]:
            whole &= one
        return whole

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        inner = keras.saving.serialize_keras_object(self.likelihood)
        return {"likelihood": inner, "ignore": self.ignore}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Positions:
        """The likelihood described by `get_config`, not built."""
        inner = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(inner, config["ignore"])


def _as_mask(mask: Any) -> tf.Tensor:
    """A mask as booleans; ValueError unless it is one, or known to be of 0 and 1."""
    mask = tf.convert_to_tensor(mask)
    if mask.dtype == tf.bool:
        return mask
    known = tf.get_static_value(mask)
    wrong = None if known is None else known[~np.isin(known, (0, 1))]
    if wrong is None or wrong.size:
        got = f"unknown ones of {mask.dtype.name}" if wrong is None else wrong[0]
        raise ValueError(
            f"mask must be boolean, or of known numbers 0 and 1, got {got}; a position counts or "
            "does not, and has no weight: give a comparison such as mask > 0."
        )
    return tf.cast(mask, tf.bool)


def _differs(targets: tf.Tensor, value: float) -> tf.Tensor:
    """Where targets are not the value; NaN is NaN, and −1 no number of an unsigned type."""
    if math.isnan(value):
        return ~tf.math.is_nan(tf.cast(targets, tf.float64))
    if not targets.dtype.is_floating:  # a cast of the value would wrap it, or drop its fraction
        targets = tf.cast(targets, tf.float64)
    return tf.not_equal(targets, tf.cast(value, targets.dtype))
