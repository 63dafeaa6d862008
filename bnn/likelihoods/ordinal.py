"""The cumulative logit likelihood of ordered classes."""

from __future__ import annotations

from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import spare_from_weight_decay
from bnn.likelihoods.categorical import no_units
from bnn.likelihoods.class_mixture import ClassMixture
from bnn.likelihoods.columns import as_samples
from bnn.likelihoods.likelihood import Classification
from bnn.likelihoods.targets import as_float, class_labels, nan_outside, one_output


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Ordinal(Classification):
    """P(y ≤ k | outputs) = σ(c_k − η), outputs = one score η `[B, 1]`, cutpoints c₀ < … < c_C₋₂.

    The proportional odds model (McCullagh 1980). The C − 1 cutpoints are learned: the first, and
    the logarithms of the gaps. They start where all classes are equally probable for a score of 0,
    and are created by `build(C)`, which has to come first: targets do not tell C.
    """

    def __init__(self) -> None:
        self._cutpoints: keras.Variable | None = None

    def build(self, num_targets: int = 2) -> None:
        """Creates the cutpoints of C = num_targets classes."""
        if self._cutpoints is None:
            if num_targets < 2:
                raise ValueError(
                    f"Ordinal needs at least 2 classes, got {num_targets}; call build(C)."
                )
            shares = np.arange(1, num_targets) / num_targets
            cutpoints = np.log(shares / (1 - shares))
            values = np.concatenate([cutpoints[:1], np.log(np.diff(cutpoints))])
            self._cutpoints = keras.Variable(
                values.astype(np.float32), dtype="float32", autocast=False, name="cutpoints"
            )
            spare_from_weight_decay([self._cutpoints])
        elif self._cutpoints.shape[0] != num_targets - 1:
            raise ValueError(
                f"Ordinal was built for {self._cutpoints.shape[0] + 1} classes, got {num_targets}; "
                "make a new likelihood."
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """The first cutpoint and the logarithms of the gaps, one variable `[C − 1]`."""
        if self._cutpoints is None:
            raise ValueError(
                "Ordinal has no cutpoints yet, and targets do not tell the number of classes; "
                "call build(num_classes) before."
            )
        return [self._cutpoints]

    def num_outputs(self, num_targets: int) -> int:
        """1: the score."""
        return 1

    def log_probs(self, samples: tf.Tensor) -> tf.Tensor:
        """Log(σ(c_k − η) − σ(c_k₋₁ − η)), `[…, C]` for scores `[…, 1]`.

        As ln σ(c_k − η) + ln σ(η − c_k₋₁) + ln(1 − e^(c_k₋₁ − c_k)), which keeps far tails.
        """
        scores = as_float(samples)
        if scores.shape[-1] != 1:  # as many as cutpoints would be broadcast silently
            raise ValueError(
                f"Ordinal takes one score an example, [B, 1], got outputs of shape {scores.shape}; "
                "size the last layer with num_outputs(C)."
            )
        [variable] = self.variables
        values = tf.cast(tf.convert_to_tensor(variable), scores.dtype)
        gaps = tf.exp(values[1:])
        cutpoints = tf.cumsum(tf.concat([values[:1], gaps], axis=0))
        below = tf.math.log_sigmoid(cutpoints - scores)
        above = tf.math.log_sigmoid(scores - cutpoints)
        between = below[..., 1:] + above[..., :-1] + tf.math.log(-tf.math.expm1(-gaps))
        return tf.concat([below[..., :1], between, above[..., -1:]], axis=-1)

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Log p(y | outputs), `[B]`, for labels `[B]`.

        Raises:
          ValueError: for labels of another kind or shape, or out of range; before `build`.
        """
        outputs = one_output("Ordinal", outputs)
        num_classes = self.variables[0].shape[0] + 1
        log_probs = self.log_probs(outputs)
        labels, inside = class_labels("Ordinal", targets, num_classes, outputs.shape[0])
        return nan_outside(tf.gather(log_probs, labels, batch_dims=1), inside)

    def predictive(self, samples: Any, **units: Any) -> ClassMixture:
        """The mixture of S categoricals; `cdf` and `crps` use the order."""
        no_units("labels have", units)
        return ClassMixture("Ordinal", self.log_probs(as_samples("Ordinal", samples)))
