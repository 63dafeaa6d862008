"""A normal prior whose scale has a prior of its own."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.elementwise_normal import ElementwiseNormal
from bnn.priors.prior import require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class HierarchicalNormal(ElementwiseNormal):
    """w ~ N(0, s²), s² ~ InverseGamma(α, β), one s for the tensor (Wu et al. 2019, section 5).

    s is a point, learned with the posterior: the ledger counts KL(q ‖ N(0, s²)) − ln p(s²), whose
    minimum in s for a given q is the paper's

        s² = (E_q[‖w‖²] + 2 β) / (D + 2 α + 2).

    The hyperprior keeps s from zero, so that the loss is bounded for `Point` posteriors as well.
    −ln p(s²) = (α + 1) ln s² + β / s² + ln Γ(α) − α ln β; the variable is ln s.

    Args:
      shape: α, positive.
      rate: β, positive.
      scale: s at the start, positive.
    """

    bounded = True

    def __init__(self, shape: float = 4.5, rate: float = 10.0, scale: float = 1.0) -> None:
        self.shape = require_positive("shape", shape)
        self.rate = require_positive("rate", rate)
        self.scale = require_positive("scale", scale)
        self._log_scale: keras.Variable | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Creates ln s."""
        del shape
        self._log_scale = self.add_variable(
            layer,
            f"{name}_prior_log_scale",
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.scale)),
        )

    def current_scale(self) -> tf.Tensor:
        """S as learned so far, scalar; ValueError before `build`."""
        if self._log_scale is None:
            raise ValueError("HierarchicalNormal has no variable yet: build its layer first.")
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    def negative_log_hyperprior(self) -> tf.Tensor:
        """−ln p(s²), scalar."""
        variance = tf.square(self.current_scale())
        constant = math.lgamma(self.shape) - self.shape * math.log(self.rate)
        return (self.shape + 1) * tf.math.log(variance) + self.rate / variance + constant

    def distribution(self) -> tfd.Distribution:
        """None of TFP's, whose closed forms would leave the hyperprior out.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("HierarchicalNormal is no distribution of TFP's.")

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """Ln p(w | s) + ln p(s²), scalar: the hyperprior counts once for the tensor."""
        return tf.reduce_sum(super().log_prob(weights)) - self.negative_log_hyperprior()

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"shape": self.shape, "rate": self.rate, "scale": self.scale}
