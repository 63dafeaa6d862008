"""Spike and slab: weights switched off one by one, by relaxed Bernoulli numbers."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise
from bnn.posteriors.slab import Slab
from bnn.posteriors.validation import require_rate, require_scale

_SLAB, _SWITCH = 0, 1
# 35 nodes.
_SPACING, _REACH = 1.0, 17.0


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class SpikeAndSlabNormal(Slab):
    """w = s v, v ~ N(μ, σ²), s ~ Concrete(l, t) by element (Bai, Song & Cheng 2020).

    The family π N(μ, σ²) + (1 − π) δ₀, π = sigmoid(l), with its Bernoulli number relaxed (Maddison,
    Mnih & Teh 2017; Jang, Gu & Poole 2017), so that every parameter has a pathwise gradient:

        s = sigmoid((l + ln u/(1 − u)) / t),   u ~ U(0, 1),   P(s > ½) = π
        E[s] = E[sigmoid(l + t x)],   E[s²] = E[s] − t E[sigmoid′(l + t x)],   x ~ Logistic(0, 1)
        E_q[w] = μ E[s],   Var_q[w] = (μ² + σ²) E[s²] − μ² E[s]²

    The expectations over x are sums of 35 nodes, exact to 1e-6. The ledger counts the KL
    of the family itself, t → 0, to a prior whose slab is the site's normal prior p, with λ the
    prior's probability of the slab; the spikes are common to both:

        Σ [π ln π/λ + (1 − π) ln (1 − π)/(1 − λ) + π KL(N(μ, σ²) ‖ p)]

    Three parameters a weight. A relaxed weight has no density in closed form; the estimators in
    weight space that need none serve it.

    Args:
      inclusion: π of every element at the start, between 0 and 1.
      prior_inclusion: λ, between 0 and 1.
      initial_scale: σ of every element at the start, positive.
      temperature: t, positive, at most 1.
    """

    factorized = True
    has_density = False
    vanishing = False

    def __init__(
        self,
        inclusion: float = 0.9,
        prior_inclusion: float = 0.5,
        initial_scale: float = 0.02,
        temperature: float = 0.5,
    ) -> None:
        always = "for weights that are always there use bnn.posteriors.MeanFieldNormal()"
        self.inclusion = require_rate("inclusion", inclusion, always)
        self.prior_inclusion = require_rate("prior_inclusion", prior_inclusion, always)
        self.initial_scale = require_scale(initial_scale)
        self.temperature = require_scale(temperature, "temperature")
        if self.temperature > 1:
            raise ValueError(
                f"temperature must be at most 1, got {temperature!r}: a warmer switch has its "
                "likeliest value between on and off; use 0.5."
            )

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_slab(layer, name, **options)
        start = keras.initializers.Constant(math.log(self.inclusion / (1 - self.inclusion)))
        self._logit = self.add_variable(
            layer, f"{name}_inclusion_logit", self.shape, initializer=start
        )

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """μ such that E_q[w] is `mean`, and σ where it is given."""
        self.shape  # noqa: B018
        super().initialise(np.asarray(mean) / self._switch_moments()[0].numpy())
        if scale is not None:
            self._log_scale.assign(np.broadcast_to(np.log(scale), self.shape))

    @property
    def inclusion_logit(self) -> tf.Tensor:
        """The logit l = ln π/(1 − π), float32, of the tensor's shape."""
        self.shape  # noqa: B018
        return tf.convert_to_tensor(self._logit)

    def _switch_moments(self) -> tuple[tf.Tensor, tf.Tensor]:
        """E[s] and E[s²]."""
        first, slope = tf.zeros(self.shape), tf.zeros(self.shape)
        for node, weight in zip(*_logistic_rule(), strict=True):
            on = tf.sigmoid(self.inclusion_logit + self.temperature * float(node))
            first += float(weight) * on
            slope += float(weight) * on * (1 - on)
        return first, first - self.temperature * slope

    @property
    def mean(self) -> tf.Tensor:
        """μ E[s]."""
        return self.slab_mean * self._switch_moments()[0]

    @property
    def variance(self) -> tf.Tensor:
        """(μ² + σ²) E[s²] − μ² E[s]²."""
        squares = tf.square(self.slab_mean)
        first, second = self._switch_moments()
        return (squares + tf.exp(2 * self.log_scale)) * second - squares * tf.square(first)

    def sample(self, noise: Noise) -> tf.Tensor:
        """S v."""
        slab = self.slab_mean + tf.exp(self.log_scale) * noise.normal(self.shape, _SLAB)
        u = noise.uniform(self.shape, _SWITCH)
        logistic = tf.math.log(u) - tf.math.log1p(-u)
        return slab * tf.sigmoid((self.inclusion_logit + logistic) / self.temperature)

    def switch_kl(self) -> tf.Tensor:
        """π ln π/λ + (1 − π) ln (1 − π)/(1 − λ), float32, of the tensor's shape."""
        logit, prior = self.inclusion_logit, self.prior_inclusion
        kept, gone = tf.sigmoid(logit), tf.sigmoid(-logit)
        on = kept * (tf.math.log_sigmoid(logit) - math.log(prior))
        return on + gone * (tf.math.log_sigmoid(-logit) - math.log1p(-prior))

    def own_kl(self, prior: Any) -> list[tf.Tensor]:
        """None but for normal priors, whose forms are registered.

        Raises:
          ValueError: always.
        """
        raise ValueError(
            f"the KL of SpikeAndSlabNormal needs a normal prior of independent elements as its "
            f"slab, got {type(prior).__name__}; use bnn.priors.Normal()."
        )

    def kept(self, threshold: float = 0.5) -> tf.Tensor:
        """Which weights have π above `threshold`, bool, of the tensor's shape."""
        return tf.sigmoid(self.inclusion_logit) > threshold

    def sparsity(self, threshold: float = 0.5) -> float:
        """The share of weights that are not kept, from 0 to 1."""
        return float(1.0 - tf.reduce_mean(tf.cast(self.kept(threshold), tf.float32)))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "inclusion": self.inclusion,
            "prior_inclusion": self.prior_inclusion,
            "initial_scale": self.initial_scale,
            "temperature": self.temperature,
        }


def _logistic_rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the trapezoidal rule over the logistic law, of density σ(x) σ(−x).

    The density's poles, and for t of at most 1 those of sigmoid(l + t x), are π or more from the
    real line: the error falls as exp(−2π² / spacing).
    """
    nodes = np.arange(-_REACH, _REACH + 1e-9, _SPACING)
    weights = _SPACING / (2 + 2 * np.cosh(nodes))
    return nodes, weights / weights.sum()
