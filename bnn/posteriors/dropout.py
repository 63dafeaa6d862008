"""Dropout as a posterior: input channels switched off at random."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.noise import Noise
from bnn.posteriors.multiplicative import Factors, Multiplicative
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.terms import Term
from bnn.posteriors.validation import require_rate, require_scale


class _Dropout(Posterior):
    """w = W ∘ z, z one number per input channel, of mean 1."""

    has_density = False

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self._weights = self.add_variable(layer, f"{name}_weights", self.shape, **options)

    def current_rate(self) -> tf.Tensor:
        """The rate p, scalar float32."""
        raise NotImplementedError

    def _factors(self, noise: Noise, shape: list, per_example: bool) -> tf.Tensor:
        """Independent z of the given shape."""
        raise NotImplementedError

    def factor_variance(self) -> tf.Tensor:
        """Var[z], scalar."""
        raise NotImplementedError

    @property
    def mean(self) -> tf.Tensor:
        """W."""
        self.shape  # noqa: B018  (raises the clear error before build)
        return tf.convert_to_tensor(self._weights)

    @property
    def variance(self) -> tf.Tensor:
        """W² Var[z]; zero for a vector, which has no input channels."""
        return tf.square(self.mean) * (self.factor_variance() if len(self.shape) > 1 else 0.0)

    def covariance(self) -> tf.Tensor:
        """W_ij W_il Var[z] between weights of one input channel, `[D, D]`."""
        rows = tf.one_hot(self._channel_of_each(), max(self._num_rows, 1)) * tf.reshape(
            self.mean, [-1, 1]
        )
        spread = self.factor_variance() if len(self.shape) > 1 else 0.0
        return spread * tf.matmul(rows, rows, transpose_b=True)

    def shared_covariance(self) -> tf.Tensor:
        """All of it: an example has one mask at all its positions."""
        return self.covariance()

    @property
    def _num_rows(self) -> int:
        return self.shape[-2] if len(self.shape) > 1 else 0

    def _channel_of_each(self) -> tf.Tensor:
        if len(self.shape) < 2:
            return tf.zeros([self.shape[0] if self.shape else 1], tf.int32)
        channels = tf.range(self.shape[-2])[:, tf.newaxis]
        return tf.reshape(tf.broadcast_to(channels, self.shape), [-1])

    @property
    def terms(self) -> tuple[Term, ...]:
        """W ∘ z − W; none for a vector, such as a bias, which stays as it is."""
        mean = self.mean
        if len(self.shape) < 2:
            return ()
        return (Multiplicative(mean, mean, lambda: self.variance, self._draw),)

    def _draw(self, noise: Noise, batch: int | tf.Tensor | None) -> Factors:
        shape = [self._num_rows] if batch is None else [batch, self._num_rows]
        return Factors(self._factors(noise, shape, batch is not None), None)

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """W ∘ z − W."""
        return self.sample(noise) - self.mean

    def sample(self, noise: Noise) -> tf.Tensor:
        """W ∘ z."""
        mean = self.mean
        if len(self.shape) < 2:
            return mean
        return mean * self._factors(noise, [self._num_rows], False)[:, tf.newaxis]

    def own_kl(self, prior: Any) -> list[tf.Tensor]:
        """The KL of a mixture of two spikes, see the family.

        Raises:
          ValueError: a prior of dependent elements, or with an infinite density at zero.
        """
        if len(self.shape) < 2:
            return [-prior.log_prob(self.mean)]
        if not prior.finite:
            raise ValueError(
                f"the KL of {type(self).__name__}, with a spike at zero, needs a prior whose "
                f"density is finite there, got {type(prior).__name__}; use bnn.priors.Normal()."
            )
        rate = self.current_rate()
        kept, dropped = (prior.log_prob(w) for w in (self.mean / (1 - rate), tf.zeros(self.shape)))
        if kept.shape != self.mean.shape:
            raise ValueError(
                f"the KL of {type(self).__name__} needs a prior of independent elements, got "
                f"{type(prior).__name__}; use bnn.priors.Normal()."
            )
        entropy = -(rate * tf.math.log(rate) + (1 - rate) * tf.math.log1p(-rate))
        return [-(1 - rate) * kept, -rate * dropped, -self._num_rows * entropy]


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class MCDropout(_Dropout):
    """w = W ∘ z, z = b / (1 − p) per input channel, b ~ Bernoulli(1 − p) (Gal & Ghahramani 2016).

    Monte-Carlo dropout of a layer's inputs, as a family. E_q[w] = W and Var_q[w] = W² p / (1 − p).
    A channel's weights are those of one of two spikes, m = W / (1 − p) or 0; the ledger counts the
    KL of two narrow normals there, up to the constant that their width adds (appendix of the paper;
    Gal, Hron & Kendall 2017, for a normal prior):

        Σ_channels [−(1 − p) ln p(m) − p ln p(0) − H(p)],   H(p) = −p ln p − (1 − p) ln(1 − p)

    Vectors, such as biases, have no input channels and stay as they are, counted as `Point`.
    `Reparameterization`, one mask for the batch, and `LocalReparameterization`, one for every
    example, serve it.

    Args:
      rate: p, between 0 and 1.
    """

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = require_rate("rate", rate)

    def current_rate(self) -> tf.Tensor:
        """The rate p, fixed."""
        return tf.constant(self.rate)

    def factor_variance(self) -> tf.Tensor:
        """P / (1 − p)."""
        return tf.constant(self.rate / (1 - self.rate))

    def _factors(self, noise: Noise, shape: list, per_example: bool) -> tf.Tensor:
        kept = noise.uniform(shape, per_example=per_example, mirrored=True) >= self.rate
        return tf.cast(kept, tf.float32) / (1 - self.rate)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"rate": self.rate}


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class ConcreteDropout(_Dropout):
    """Dropout whose rate is learned through a relaxed mask (Gal, Hron & Kendall 2017).

        z = (1 − d) / E[1 − d],   d = sigmoid((ln p/(1 − p) + ln u/(1 − u)) / t),   u ~ U(0, 1)

    The paper divides by 1 − p, which is E[1 − d] for t → 0 alone; dividing by the expectation keeps
    E_q[w] = W exact. The expectations of d are integrals over a logistic variable, by a trapezoidal
    rule that is exact to float32. The ledger counts as in `MCDropout`, with p as it is learned, and
    −H(p) keeps p from 0.

    Args:
      initial_rate: p at the start, between 0 and 1.
      temperature: t, positive.
    """

    def __init__(self, initial_rate: float = 0.1, temperature: float = 0.1) -> None:
        self.initial_rate = require_rate("initial_rate", initial_rate)
        self.temperature = require_scale(temperature, "temperature")

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        super()._build(layer, name, **options)
        rate = self.initial_rate
        self._logit = self.add_variable(
            layer,
            f"{name}_rate_logit",
            shape=(),
            initializer=keras.initializers.Constant(float(_logit(tf.constant(rate)))),
        )

    def current_rate(self) -> tf.Tensor:
        """The rate p, as learned so far."""
        self.shape  # noqa: B018
        return tf.sigmoid(tf.convert_to_tensor(self._logit))

    def _dropped(self, logistic: tf.Tensor) -> tf.Tensor:
        """D for logistic numbers ln u/(1 − u)."""
        return tf.sigmoid((tf.convert_to_tensor(self._logit) + logistic) / self.temperature)

    def _moments(self) -> tuple[tf.Tensor, tf.Tensor]:
        """E[1 − d] and E[(1 − d)²] over the logistic law, of density σ(x) σ(−x)."""
        spacing = min(self.temperature, 1.0)
        reach = 20.0
        x = tf.range(-reach, reach + spacing, spacing)
        density = tf.sigmoid(x) * tf.sigmoid(-x) * spacing
        kept = 1 - self._dropped(x)
        return tf.reduce_sum(density * kept), tf.reduce_sum(density * tf.square(kept))

    def factor_variance(self) -> tf.Tensor:
        """E[(1 − d)²] / E[1 − d]² − 1."""
        first, second = self._moments()
        return second / tf.square(first) - 1.0

    def _factors(self, noise: Noise, shape: list, per_example: bool) -> tf.Tensor:
        u = noise.uniform(shape, per_example=per_example, mirrored=True)
        dropped = self._dropped(_logit(u))
        return (1 - dropped) / self._moments()[0]

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"initial_rate": self.initial_rate, "temperature": self.temperature}


def _logit(p: tf.Tensor) -> tf.Tensor:
    return tf.math.log(p) - tf.math.log1p(-p)
