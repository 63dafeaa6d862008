"""A mixture of normals that is learned with the weights."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class LearnedMixture(Prior):
    """p(w) = ∏ᵢ Σ_k π_k N(wᵢ; m_k, s_k²) with learned π, m and s (Nowlan & Hinton 1992).

    Soft weight sharing, by maximising the ELBO in the 3 K numbers of the tensor (empirical Bayes):
    the bound holds for the model with the learned prior. The variables are logits of π, m and ln s.
    At the start π is uniform, m spread evenly over ± 1 scale and s = scale / K. The KL has no
    closed form: the ledger estimates it.

    Args:
      num_components: K, at least 2.
      scale: of the weights, positive.
    """

    def __init__(self, num_components: int = 3, scale: float = 1.0) -> None:
        if isinstance(num_components, bool) or not isinstance(num_components, int):
            raise ValueError(f"num_components must be an integer, got {num_components!r}.")
        if num_components < 2:
            raise ValueError(
                f"num_components must be at least 2, got {num_components}; for a single component "
                "use bnn.priors.Normal(trainable=True)."
            )
        self.num_components = num_components
        self.scale = require_positive("scale", scale)
        self._parts: dict[str, keras.Variable] = {}

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Creates logits, m and ln s, each `[K]`."""
        count = self.num_components
        starts = {
            "logits": [0.0] * count,
            "locs": [self.scale * (2 * k / (count - 1) - 1) for k in range(count)],
            "log_scales": [math.log(self.scale / count)] * count,
        }
        for part, start in starts.items():
            self._parts[part] = self.add_variable(
                layer,
                f"{name}_prior_{part}",
                shape=(count,),
                initializer=_Values(start),
            )

    def components(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Ln π, m and ln s, each `[K]`; ValueError before `build`."""
        if not self._parts:
            raise ValueError("LearnedMixture has no variables yet: build its layer first.")
        logits, locs, log_scales = (tf.convert_to_tensor(v) for v in self._parts.values())
        return tf.nn.log_softmax(logits), locs, log_scales

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """As above, of the tensor's shape."""
        log_weights, locs, log_scales = self.components()
        z = (weights[..., tf.newaxis] - locs) * tf.exp(-log_scales)
        each = log_weights - log_scales - 0.5 * tf.square(z) - 0.5 * math.log(2 * math.pi)
        return tf.reduce_logsumexp(each, axis=-1)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"num_components": self.num_components, "scale": self.scale}


class _Values(keras.initializers.Initializer):
    """These numbers."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def __call__(self, shape: tuple, dtype: object = None) -> tf.Tensor:
        """The numbers in the shape that is asked for."""
        return tf.reshape(tf.constant(self.values, tf.float32), shape)
