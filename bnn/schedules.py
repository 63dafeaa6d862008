"""Schedules: numbers that change with the progress of training, for KL weights and step sizes."""

from __future__ import annotations

import abc
import math

import gin
import keras
import tensorflow as tf

from bnn.described import Described


class Schedule(Described, abc.ABC):
    """A function of progress = step / total steps, from 0 to 1; its values are at least 0."""

    @abc.abstractmethod
    def __call__(self, progress: tf.Tensor | float) -> tf.Tensor:
        """The value at this progress, scalar, float32."""

    def sampling(self, progress: tf.Tensor | float) -> tf.Tensor:
        """Whether a sampler with this step size takes samples at this progress, scalar bool."""
        del progress
        return tf.constant(True)

    def for_keras(self, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """The schedule as a Keras learning rate for a training of so many steps."""
        return _LearningRate(self, total_steps)


class _LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, schedule: Schedule, total_steps: int) -> None:
        self._schedule = schedule
        self._total_steps = total_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._schedule(tf.cast(step, tf.float32) / self._total_steps)

    def over(self, total_steps: int) -> _LearningRate:
        """The same schedule for a training of so many steps."""
        return _LearningRate(self._schedule, total_steps)

    def get_config(self) -> dict:
        raise NotImplementedError(
            "a bnn schedule in an optimizer is described by the run's gin configuration, not by "
            "the optimizer's Keras configuration."
        )


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.schedules")
class Constant(Schedule):
    """One value throughout."""

    def __init__(self, value: float = 1.0) -> None:
        self.value = _value("value", value)

    def __call__(self, progress: tf.Tensor | float) -> tf.Tensor:
        """The value."""
        del progress
        return tf.constant(self.value)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.schedules")
class LinearWarmup(Schedule):
    """Rises linearly from `start` to `value` over the first `fraction` of training, then stays.

    As a KL weight: Bowman et al. 2016, Sønderby et al. 2016.
    """

    def __init__(self, value: float = 1.0, fraction: float = 0.1, start: float = 0.0) -> None:
        self.value = _value("value", value)
        self.fraction = _share("fraction", fraction)
        self.start = _value("start", start)

    def __call__(self, progress: tf.Tensor | float) -> tf.Tensor:
        """Start + (value − start) · min(1, progress / fraction)."""
        ramp = tf.minimum(tf.cast(progress, tf.float32) / self.fraction, 1.0)
        return self.start + (self.value - self.start) * ramp


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.schedules")
class Cyclical(Schedule):
    """`cycles` equal periods, each a linear warm-up followed by a plateau (Fu et al. 2019).

    The last period ends on the plateau, so that training ends with the whole value.
    """

    def __init__(self, value: float = 1.0, cycles: int = 4, fraction: float = 0.5) -> None:
        self.value = _value("value", value)
        if cycles < 1:
            raise ValueError(f"cycles must be at least 1, got {cycles}.")
        self.cycles = int(cycles)
        self.fraction = _share("fraction", fraction)

    def __call__(self, progress: tf.Tensor | float) -> tf.Tensor:
        """Value · min(1, position in the period / fraction)."""
        progress = tf.clip_by_value(tf.cast(progress, tf.float32), 0.0, 1.0)
        position = progress * self.cycles
        position = tf.where(progress < 1.0, position - tf.floor(position), 1.0)
        return self.value * tf.minimum(position / self.fraction, 1.0)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.schedules")
class Cosine(Schedule):
    """Falls from `value` to `final` along half a cosine, after an optional linear warm-up.

    final + (value − final) · (1 + cos π u) / 2, u the progress after the warm-up (Loshchilov &
    Hutter 2017).
    """

    def __init__(self, value: float, final: float = 0.0, warmup: float = 0.0) -> None:
        self.value = _value("value", value)
        self.final = _value("final", final)
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup must be at least 0 and below 1, got {warmup}.")
        self.warmup = float(warmup)

    def __call__(self, progress: tf.Tensor | float) -> tf.Tensor:
        """The value at this progress."""
        progress = tf.clip_by_value(tf.cast(progress, tf.float32), 0.0, 1.0)
        u = tf.maximum(progress - self.warmup, 0.0) / (1.0 - self.warmup)
        fall = self.final + (self.value - self.final) * 0.5 * (1.0 + tf.cos(math.pi * u))
        if self.warmup == 0.0:
            return fall
        return tf.where(progress < self.warmup, self.value * progress / self.warmup, fall)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.schedules")
class CosineCycles(Schedule):
    """value · (1 + cos π u) / 2, u from 0 to 1 in each of `cycles` equal periods.

    The step size of cyclical samplers (Zhang et al. 2020, equation 1). In the first `exploration`
    of each period a sampler goes downhill without noise and keeps nothing, to find another mode;
    in the rest it samples.
    """

    def __init__(self, value: float, cycles: int = 4, exploration: float = 0.8) -> None:
        self.value = _value("value", value)
        if cycles < 1:
            raise ValueError(f"cycles must be at least 1, got {cycles}.")
        self.cycles = int(cycles)
        if not 0 <= exploration < 1:
            raise ValueError(f"exploration must be at least 0 and below 1, got {exploration}.")
        self.exploration = float(exploration)

    def __call__(self, progress: tf.Tensor | float) -> tf.Tensor:
        """The value at this progress."""
        return self.value * 0.5 * (1.0 + tf.cos(math.pi * self._position(progress)))

    def sampling(self, progress: tf.Tensor | float) -> tf.Tensor:
        """Whether the period's exploration is over."""
        return self._position(progress) >= self.exploration

    def _position(self, progress: tf.Tensor | float) -> tf.Tensor:
        """The place in the period, u; the end of training is that of a period."""
        progress = tf.clip_by_value(tf.cast(progress, tf.float32), 0.0, 1.0)
        place = progress * self.cycles
        return tf.where(progress < 1.0, place - tf.floor(place), 1.0)


def _value(name: str, value: float) -> float:
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}.")
    if value < 0:
        raise ValueError(
            f"{name} must be at least 0, got {value}: neither a KL weight nor a step size is "
            "negative; use 0 to leave the term out."
        )
    return value


def _share(name: str, value: float) -> float:
    value = float(value)
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {value}.")
    return value
