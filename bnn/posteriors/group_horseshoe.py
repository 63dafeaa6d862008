"""The horseshoe over groups: a random scale for every input channel, and one for the tensor."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise
from bnn.posteriors.multiplicative import Factors, Multiplicative
from bnn.posteriors.slab import Slab
from bnn.posteriors.terms import Term
from bnn.posteriors.validation import require_scale

_ROWS, _TENSOR = 1, 2


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class GroupHorseshoe(Slab):
    """w_ij = v_ij z_i, v_ij ~ N(μ_ij, σ_ij²), z_i = √(a_i b_i s_a s_b), all factors log-normal.

    The posterior of Louizos, Ullrich & Welling (2017, section 4.2) under the group horseshoe, not
    centred as in Ghosh, Yao & Doshi-Velez (2018): z_i scales all weights of an input channel, and
    a channel whose z is small is off. The prior is v ~ the site's normal prior and

        z_i = τ λ_i,   λ_i ~ C⁺(0, 1),   τ ~ C⁺(0, τ₀),

    with a half-Cauchy number of scale k as √(a b), a ~ Γ(½, scale k²), b ~ InverseGamma(½, 1). The
    ledger counts the KL of all factors together, which bounds that of the weights:

        Σ KL(N(μ_ij, σ_ij²) ‖ p) + Σ_i [KL(a_i) + KL(b_i)] + KL(s_a) + KL(s_b)
        KL(LN(m, c²) ‖ Γ(½, scale k²)) = ½ ln π + ln k − ½ m + e^{m + c²/2} / k² − ½ ln 2πe c²
        KL(LN(m, c²) ‖ InverseGamma(½, 1)) = ½ ln π + ½ m + e^{−m + c²/2} − ½ ln 2πe c²

    With ln z_i ~ N(m_i, c_i²), of which a part c_s² is common to all channels,

        E_q[w_ij] = μ_ij e^{m_i + c_i²/2},   E[z_i z_k] = e^{m_i + m_k + (c_i² + c_k²)/2 + Cov}

    A vector has no input channels: its own factors are those of the tensor alone. 2 D + 4 n + 4
    parameters for n input channels. There is no density of the weights in closed form.
    `Reparameterization` and `LocalReparameterization`, with z per example, serve it.

    Args:
      initial_scale: σ of every element at the start, positive.
      global_scale: τ₀, positive.
      initial_spread: c of ln of every factor at the start, positive; z begins near 1.
    """

    has_density = False
    vanishing = False

    def __init__(
        self,
        initial_scale: float = 0.02,
        global_scale: float = 0.1,
        initial_spread: float = 0.1,
    ) -> None:
        self.initial_scale = require_scale(initial_scale)
        self.global_scale = require_scale(global_scale, "global_scale")
        self.initial_spread = require_scale(initial_spread, "initial_spread")

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_slab(layer, name, **options)
        rows = self.shape[-2] if len(self.shape) > 1 else 0
        self._factors = {
            side: (
                self.add_variable(layer, f"{name}_{side}_loc", shape, initializer="zeros"),
                self.add_variable(
                    layer,
                    f"{name}_{side}_log_scale",
                    shape,
                    initializer=keras.initializers.Constant(math.log(self.initial_spread)),
                ),
            )
            for side, shape in (("rows", (2, rows)), ("tensor", (2, 1)))
            if shape[1]
        }

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """μ such that E_q[w] is `mean`, and σ such that a weight of mean zero has `scale`."""
        self.shape  # noqa: B018
        first, second = (self._per_weight(part).numpy() for part in self._scale_moments())
        super().initialise(np.asarray(mean) / first)
        if scale is not None:
            values = np.log(scale) - 0.5 * np.log(second)
            self._log_scale.assign(np.broadcast_to(values, self.shape))

    def _law(self, side: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Means and standard deviations of ln of the two factors of a side, each `[2, size]`."""
        loc, log_scale = (tf.convert_to_tensor(v) for v in self._factors[side])
        return loc, tf.exp(log_scale)

    def _log_z(self, side: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and variance of ½ Σ ln of the two factors of a side, each `[size]`."""
        loc, scale = self._law(side)
        return 0.5 * tf.reduce_sum(loc, 0), 0.25 * tf.reduce_sum(tf.square(scale), 0)

    def _log_group(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Mean `[n]` and variance `[n]` of ln z, and the part of it that is common, `[1]`."""
        loc, variance = common_loc, common = self._log_z("tensor")
        if "rows" in self._factors:
            own_loc, own = self._log_z("rows")
            loc, variance = own_loc + common_loc, own + common
        return loc, variance, common

    def _scale_moments(self) -> tuple[tf.Tensor, tf.Tensor]:
        """E[z] and E[z²], `[n]`."""
        loc, variance, _ = self._log_group()
        return tf.exp(loc + 0.5 * variance), tf.exp(2 * (loc + variance))

    def _per_weight(self, values: tf.Tensor) -> tf.Tensor:
        """Values `[n]` that broadcast to the tensor's shape."""
        return values[:, tf.newaxis] if len(self.shape) > 1 else values

    @property
    def group_scale(self) -> tf.Tensor:
        """The median of z by input channel, float32, `[n]`: small where a channel is off."""
        self.shape  # noqa: B018
        return tf.exp(self._log_group()[0])

    @property
    def mean(self) -> tf.Tensor:
        """μ E[z]."""
        return self.slab_mean * self._per_weight(self._scale_moments()[0])

    @property
    def variance(self) -> tf.Tensor:
        """(μ² + σ²) E[z²] − μ² E[z]²."""
        squares = tf.square(self.slab_mean)
        first, second = (self._per_weight(part) for part in self._scale_moments())
        return (squares + tf.exp(2 * self.log_scale)) * second - squares * tf.square(first)

    def shared_covariance(self) -> tf.Tensor:
        """μ_ij μ_kl Cov[z_i, z_k], `[D, D]`: what z adds."""
        loc, variance, common = self._log_group()
        first = self._scale_moments()[0]
        joint = tf.linalg.set_diag(common * tf.ones([loc.shape[0]] * 2), variance)
        spread = first[:, tf.newaxis] * first * (tf.exp(joint) - 1.0)
        channel = self._channel_of_each()
        spread = tf.gather(tf.gather(spread, channel), channel, axis=1)
        mean = tf.reshape(self.slab_mean, [-1, 1])
        return mean * tf.transpose(mean) * spread

    def covariance(self) -> tf.Tensor:
        """What z adds, and σ_ij² E[z_i²] on the diagonal."""
        second = self._per_weight(self._scale_moments()[1])
        own = tf.reshape(tf.exp(2 * self.log_scale) * second, [-1])
        return self.shared_covariance() + tf.linalg.diag(own)

    def _channel_of_each(self) -> tf.Tensor:
        if len(self.shape) < 2:
            return tf.zeros([math.prod(self.shape)], tf.int32)
        channels = tf.range(self.shape[-2])[:, tf.newaxis]
        return tf.reshape(tf.broadcast_to(channels, self.shape), [-1])

    @property
    def terms(self) -> tuple[Term, ...]:
        """V ∘ z − E[w]."""
        return (self._term(self.mean),)

    def _term(self, mean: tf.Tensor) -> Multiplicative:
        spread = tf.exp(2 * self.log_scale)
        return Multiplicative(self.slab_mean, mean, lambda: self.variance, self._draw, spread)

    def sample(self, noise: Noise) -> tf.Tensor:
        """V ∘ z."""
        self.shape  # noqa: B018
        return self._term(self.slab_mean).weights(noise)

    def _draw(self, noise: Noise, batch: int | tf.Tensor | None) -> Factors:
        per_example, total = batch is not None, tf.zeros([])
        for stream, side in ((_ROWS, "rows"), (_TENSOR, "tensor")):
            if side in self._factors:
                loc, variance = self._log_z(side)
                shape = [batch, loc.shape[0]] if per_example else loc.shape
                epsilon = noise.normal(shape, stream, per_example=per_example)
                total += loc + tf.sqrt(variance) * epsilon
        scales = tf.exp(total)
        if len(self.shape) > 1:
            return Factors(scales, None)
        columns = self.shape[-1] if self.shape else 1
        return Factors(None, scales * tf.ones([columns]))

    def factor_kl(self) -> tf.Tensor:
        """The KL of all factors to theirs, scalar."""
        total = tf.zeros([])
        for side in self._factors:
            law = (tf.unstack(part) for part in self._law(side))
            (gamma_loc, inverse_loc), (gamma_scale, inverse_scale) = law
            k = self.global_scale if side == "tensor" else 1.0
            gamma = math.log(k) - 0.5 * gamma_loc
            gamma += tf.exp(gamma_loc + 0.5 * tf.square(gamma_scale)) / k**2
            inverse = 0.5 * inverse_loc + tf.exp(-inverse_loc + 0.5 * tf.square(inverse_scale))
            entropy = math.log(2 * math.pi * math.e) + tf.math.log(gamma_scale * inverse_scale)
            total += tf.reduce_sum(math.log(math.pi) + gamma + inverse - entropy)
        return total

    def own_kl(self, prior: Any) -> list[tf.Tensor]:
        """None but for normal priors, whose forms are registered.

        Raises:
          ValueError: always.
        """
        raise ValueError(
            f"the KL of GroupHorseshoe needs a normal prior of independent elements for v, got "
            f"{type(prior).__name__}; use bnn.priors.Normal()."
        )

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "initial_scale": self.initial_scale,
            "global_scale": self.global_scale,
            "initial_spread": self.initial_spread,
        }
