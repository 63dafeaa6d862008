"""The likelihood of a mixture density network."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.columns import as_samples
from bnn.likelihoods.heteroscedastic_normal import HeteroscedasticNormal
from bnn.likelihoods.learned import check_positive
from bnn.likelihoods.likelihood import Likelihood
from bnn.likelihoods.mixture import Mixture, len_of
from bnn.likelihoods.targets import (
    in_support,
    nan_outside,
    one_output,
    same_examples,
    target_columns,
)

_COMPONENT = HeteroscedasticNormal()


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class MixtureDensity(Likelihood):
    """p(y | outputs) = Σ_k π_k ∏_d N(y_d; m_kd, s_kd²), outputs `[B, K (1 + 2 D)]` (Bishop 1994).

    Outputs are K logits of π, then K D means and K D raw scales, component by component; s =
    softplus(raw) + min_scale.

    Args:
      num_components: K, at least 1.
      min_scale: smallest standard deviation, positive, in the units that the model is trained in.
    """

    task = "regression"

    def __init__(self, num_components: int = 3, min_scale: float = 1e-3) -> None:
        wrong = isinstance(num_components, bool) or not isinstance(num_components, int)
        if wrong or num_components < 1:
            raise ValueError(
                f"num_components must be an integer of at least 1, got {num_components!r}; 3 is a "
                "start."
            )
        self.num_components = num_components
        self.min_scale = check_positive("min_scale", min_scale)

    def num_outputs(self, num_targets: int) -> int:
        """K (1 + 2 D)."""
        return self.num_components * (1 + 2 * num_targets)

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Ln π `[…, K]`, means and standard deviations `[…, K, D]`.

        Raises:
          ValueError: for a number of outputs that is no K (1 + 2 D).
        """
        count = self.num_components
        width, rest = divmod((outputs.shape[-1] or 0) - count, 2 * count)
        if rest or width < 1:
            raise ValueError(
                f"MixtureDensity({count}) needs {count} (1 + 2 D) outputs for D target columns, "
                f"got {outputs.shape[-1]}; size the last layer with num_outputs(num_targets)."
            )
        logits, mean, raw = tf.split(outputs, [count, count * width, count * width], axis=-1)
        shape = tf.concat([tf.shape(outputs)[:-1], [count, width]], axis=0)
        scale = tf.math.softplus(tf.reshape(raw, shape)) + self.min_scale
        mean = tf.ensure_shape(tf.reshape(mean, shape), [*outputs.shape[:-1], count, width])
        return tf.nn.log_softmax(logits), mean, scale

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Log Σ_k π_k ∏_d N(y_d; m_kd, s_kd²), `[B]`, in the units that the model is trained in.

        Raises:
          ValueError: where outputs and targets differ in shape, and for targets not finite.
        """
        outputs = one_output("MixtureDensity", outputs)
        log_weights, mean, scale = self.parameters(outputs)
        columns = target_columns("MixtureDensity", targets, mean.shape[-1], outputs.dtype)
        same_examples("MixtureDensity", outputs, columns)
        safe, inside = in_support(
            "MixtureDensity",
            columns,
            _COMPONENT.valid,
            self.neutral_target,
            _COMPONENT.requirement,
            _COMPONENT.remedy,
        )
        each = _COMPONENT.joint_log_density(safe[:, tf.newaxis], mean, scale)
        log_prob = tf.reduce_logsumexp(log_weights + each, axis=-1)
        return nan_outside(log_prob, tf.reduce_all(inside, axis=-1))

    def predictive(self, samples: Any, **units: Any) -> Mixture:
        """The mixture of S K normals, in the target's own units; `loc` and `scale` as ever.

        Its epistemic variance is that of all components' means: it holds the spread of the
        components of one network, too.
        """
        samples = as_samples("MixtureDensity", samples)
        log_weights, mean, scale = self.parameters(samples)
        log_s = tf.math.log(tf.cast(tf.shape(samples)[0], tf.float64))
        return Mixture(
            _COMPONENT,
            (_components_first(mean), _components_first(scale)),
            log_weights=_components_first(log_weights - log_s),
            num_samples=len_of(samples),
            **units,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_components": self.num_components, "min_scale": self.min_scale}


def _components_first(values: tf.Tensor) -> tf.Tensor:
    """`[S, B, K, …]` to `[S K, B, …]`."""
    order = [0, 2, 1, *range(3, values.shape.rank)]
    values = tf.transpose(values, order)
    static = values.shape
    joined = tf.reshape(values, tf.concat([[-1], tf.shape(values)[2:]], axis=0))
    count = None if static[0] is None else static[0] * static[1]
    return tf.ensure_shape(joined, [count, *static[2:]])
