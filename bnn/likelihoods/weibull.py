"""The Weibull likelihood of times to an event, some of them censored."""

from __future__ import annotations

from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.likelihoods.columns import as_samples
from bnn.likelihoods.dispersed import Dispersed, Positive
from bnn.likelihoods.mixture import Mixture
from bnn.likelihoods.targets import (
    in_support,
    nan_outside,
    one_output,
    same_examples,
    target_columns,
)

_OF_EVENTS = {"loc": 0.0, "scale": 1.0}


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Weibull(Positive, Dispersed):
    """p(t, δ | outputs) = h(t)^δ S(t), S(t) = exp(−(t/λ)^k), h = (k/λ)(t/λ)^(k−1), outputs = ln λ.

    Targets are `[B, 2]`: the time t > 0 and whether the event was seen then (δ = 1) or the time is
    censored on the right (δ = 0), so that only S(t) = P(T > t) is known (Kalbfleisch & Prentice
    2002, section 3.2). Outputs `[B, 1]`. Mean, quantiles and CRPS of the predictive are those of
    the time T itself.

    Args:
      concentration: the shape k, positive; the start value where it is learned.
      trainable: learn k.
    """

    task = "survival"
    argument = "concentration"

    def __init__(self, concentration: float = 1.0, trainable: bool = True) -> None:
        super().__init__(concentration, trainable)

    def build(self, num_targets: int = 1) -> None:
        """Creates ln k; there is one time an example, whatever the number of target columns."""
        super().build(1)

    def num_outputs(self, num_targets: int) -> int:
        """1: the logarithm of the scale λ."""
        return 1

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Ln λ and k."""
        return outputs, self.dispersion(outputs.dtype)

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """δ ln h(t) + ln S(t), `[B]`.

        Raises:
          ValueError: for targets of another shape, times that are not positive, δ not 0 or 1.
        """
        outputs = one_output("Weibull", outputs)
        _require_one(outputs)
        times, events, inside = _times_and_events(targets, outputs, outputs.dtype)
        self.require_built(1)
        return nan_outside(self.censored(times, events, *self.parameters(outputs))[:, 0], inside)

    def censored(self, times: tf.Tensor, events: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """δ ln h(t) + ln S(t), elementwise."""
        log_scale, k = parameters
        log_ratio = tf.math.log(times) - log_scale
        hazard = tf.math.log(k) - log_scale + (k - 1) * log_ratio
        return events * hazard - tf.exp(k * log_ratio)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Of an event that was seen: ln h(t) + ln S(t)."""
        return self.censored(y, tf.ones_like(y), *parameters)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """λ Γ(1 + 1/k)."""
        return tf.exp(parameters[0] + tf.math.lgamma(1 + 1 / parameters[1]))

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """λ² (Γ(1 + 2/k) − Γ(1 + 1/k)²)."""
        log_scale, k = parameters
        first, second = tf.math.lgamma(1 + 1 / k), tf.math.lgamma(1 + 2 / k)
        return tf.exp(2 * (log_scale + first)) * tf.math.expm1(second - 2 * first)

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """1 − S(t)."""
        log_scale, k = parameters
        return -tf.math.expm1(-((tf.maximum(y, 0) * tf.exp(-log_scale)) ** k))

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """λ (−ln(1 − q))^(1/k)."""
        log_scale, k = parameters
        return tf.exp(log_scale) * (-tf.math.log1p(-q)) ** (1 / k)

    def predictive(self, samples: Any, **units: Any) -> SurvivalMixture:
        """The mixture of S samples, in the unit of time: `scale` is what times were divided by.

        Args:
          samples: outputs `[S, B, 1]`.
          **units: `loc` and `scale` of the time, numbers; or `[2]`, of time and event as the
            targets have them, where the event's must be 0 and 1.

        Raises:
          ValueError: samples of another shape, or units of an event.
        """
        samples = as_samples("Weibull", samples)
        _require_one(samples)
        of_time = {name: _of_time(name, value) for name, value in units.items()}
        return SurvivalMixture(self, self.parameters(samples), **of_time)


class SurvivalMixture(Mixture):
    """The mixture of times; `log_prob` takes times and whether the event was seen, `[B, 2]`."""

    def log_prob(self, targets: Any) -> tf.Tensor:
        """Log of the mean density, or where censored of the mean survival function, `[B]`."""
        targets = target_columns("Weibull", targets, 2, tf.float64)
        standard = tf.stack([(targets[:, 0] - self.loc) / self.scale, targets[:, 1]], axis=-1)
        times, events, inside = _times_and_events(standard, self.parameters[0][0], tf.float64)
        likelihood = self.likelihood
        assert isinstance(likelihood, Weibull)
        each = likelihood.censored(times, events, *self.parameters)[..., 0]
        log_prob = tf.reduce_logsumexp(each + self.log_weights, axis=0)
        log_prob -= events[:, 0] * tf.math.log(self.scale)
        return tf.where(inside, log_prob, tf.cast(np.nan, tf.float64))


def _of_time(argument: str, value: Any) -> Any:
    """The unit of the time, of units of time and event `[2]` or its own."""
    known = tf.get_static_value(value) if tf.is_tensor(value) else np.asarray(value, np.float64)
    if known is None or known.shape != (2,):
        return value
    if known[1] != _OF_EVENTS.get(argument, known[1]):
        raise ValueError(
            f"Weibull: {argument} of whether an event was seen must be {_OF_EVENTS[argument]:g}, "
            f"got {known[1]:g}; standardise no more than the time."
        )
    return float(known[0])


def _require_one(outputs: tf.Tensor) -> None:
    if outputs.shape[-1] != 1:
        raise ValueError(
            f"Weibull takes one output an example, [B, 1], got {outputs.shape}; size the last "
            "layer with num_outputs(1)."
        )


def _times_and_events(
    targets: Any, outputs: tf.Tensor, dtype: tf.DType
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Times and events `[B, 1]`, and which rows are in the support `[B]`."""
    columns = target_columns("Weibull", targets, 2, dtype)
    same_examples("Weibull", outputs, columns)
    event = tf.constant([[False, True]])
    safe, inside = in_support(
        "Weibull",
        columns,
        lambda t: tf.where(event, tf.equal(t, 0) | tf.equal(t, 1), (t > 0) & tf.math.is_finite(t)),
        1.0,
        "a positive time and 1 for an event or 0 for a censored time",
        "give [B, 2] without standardising it",
    )
    return safe[:, :1], safe[:, 1:], tf.reduce_all(inside, axis=-1)
