"""The categorical likelihood of class labels."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.class_mixture import ClassMixture
from bnn.likelihoods.columns import as_samples
from bnn.likelihoods.likelihood import Classification
from bnn.likelihoods.targets import as_float, class_labels, nan_outside, one_output


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Categorical(Classification):
    """p(y = c | outputs) = softmax(outputs)_c, outputs = logits `[B, C]`.

    Labels are integers `[B]` from 0 (floats without fractions are taken); see `SoftCategorical`
    for probabilities. In a compiled function, where values are not known, a label out of range
    gives NaN.

    Args:
      label_smoothing: ε of the training targets (1 − ε) [c = y] + ε/C (Szegedy et al. 2016,
        section 7), in [0, 1); `log_prob` is then Σ_c target_c log p_c, and the predictive is as
        without.
    """

    takes_logits = True

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_smoothing(label_smoothing)

    def num_outputs(self, num_targets: int) -> int:
        """C, one logit per class."""
        return num_targets

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Log softmax(outputs)_y, `[B]`.

        Raises:
          ValueError: for labels of another kind or shape, or out of range.
        """
        name = type(self).__name__
        outputs = class_logits(name, outputs)
        labels, inside = class_labels(name, targets, outputs.shape[-1], outputs.shape[0])
        log_prob = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=outputs)
        if self.label_smoothing:
            uniform = tf.reduce_mean(tf.nn.log_softmax(outputs), axis=-1)
            log_prob = (1 - self.label_smoothing) * log_prob + self.label_smoothing * uniform
        return nan_outside(log_prob, inside)

    def log_probs(self, samples: tf.Tensor) -> tf.Tensor:
        """Normalised log-probabilities of every sample, `[S, B, C]`; ValueError for one class."""
        samples = as_float(samples)
        _require_classes(type(self).__name__, samples)
        return tf.nn.log_softmax(samples)

    def predictive(self, samples: Any, **units: Any) -> ClassMixture:
        """The mixture of S categoricals, itself a categorical with the mean probabilities."""
        no_units("labels have", units)
        name = type(self).__name__
        return ClassMixture(name, self.log_probs(as_samples(name, samples)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"label_smoothing": self.label_smoothing}


def class_logits(name: str, outputs: Any) -> tf.Tensor:
    """Logits `[B, C]`; ValueError for fewer than two classes."""
    outputs = one_output(name, outputs)
    _require_classes(name, outputs)
    return outputs


def _require_classes(name: str, outputs: tf.Tensor) -> None:
    if outputs.shape[-1] is None or outputs.shape[-1] < 2:
        raise ValueError(
            f"{name} needs one logit per class, at least 2, got outputs of shape {outputs.shape}; "
            "size the last layer with num_outputs(C), or use bnn.likelihoods.Bernoulli for one "
            "logit of a binary target."
        )


def check_smoothing(value: Any) -> float:
    """The value as a float; ValueError unless it lies in [0, 1)."""
    if isinstance(value, (bool, str)) or not 0 <= value < 1:
        raise ValueError(
            f"label_smoothing must lie in [0, 1), got {value!r}; 0 is none, 0.1 is usual."
        )
    return float(value)


def no_units(what: str, units: dict[str, Any]) -> None:
    """Raises ValueError where units are given for targets without any."""
    if units:
        raise ValueError(f"{what} no units, got {sorted(units)}; drop these arguments.")
