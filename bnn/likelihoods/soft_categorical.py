"""The categorical likelihood of targets that are probabilities themselves."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.categorical import Categorical, class_logits
from bnn.likelihoods.targets import (
    in_support,
    nan_outside,
    one_target,
    same_examples,
)

_SUM_TOLERANCE = 1e-3  # probabilities in half precision sum to 1 to this


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class SoftCategorical(Categorical):
    """log p(t | outputs) = Σ_c t_c log softmax(outputs)_c, targets t `[B, C]` that sum to 1.

    The expected log-probability of a label drawn from t, as distillation, mixup and several
    annotators give it; one-hot targets give `Categorical` itself. No normalised density of t. The
    predictive is that of a label.

    Args:
      label_smoothing: ε of the training targets (1 − ε) t + ε/C, in [0, 1).
    """

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Σ_c t_c log softmax(outputs)_c, `[B]`.

        Raises:
          ValueError: for targets of another shape, negative ones and those that do not sum to 1.
        """
        name = type(self).__name__
        outputs = class_logits(name, outputs)
        targets = one_target(name, targets, "probabilities [B, C]")
        if targets.shape.rank != 2 or not targets.shape.is_compatible_with(outputs.shape):
            raise ValueError(
                f"{name} takes probabilities [B, C] of the shape of the logits, {outputs.shape}, "
                f"got targets of shape {targets.shape}; use bnn.likelihoods.Categorical for class "
                "labels [B]."
            )
        same_examples(name, outputs, targets)
        targets = tf.cast(targets, outputs.dtype)
        safe, inside = in_support(
            name,
            targets,
            _probabilities,
            self.neutral_target,
            "probabilities that sum to 1 over the classes",
            "divide each row by its sum",
        )
        safe = (1 - self.label_smoothing) * safe + self.label_smoothing / outputs.shape[-1]
        log_prob = tf.reduce_sum(safe * tf.nn.log_softmax(outputs), axis=-1)
        return nan_outside(log_prob, tf.reduce_all(inside, axis=-1))


def _probabilities(t: tf.Tensor) -> tf.Tensor:
    total = tf.reduce_sum(t, axis=-1, keepdims=True)
    return (t >= 0) & (t <= 1 + _SUM_TOLERANCE) & (tf.abs(total - 1) <= _SUM_TOLERANCE)
