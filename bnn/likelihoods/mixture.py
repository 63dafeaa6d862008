"""The predictive mixture of target columns: what it says of a target, in the target's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from bnn.likelihoods.root_finding import bisect
from bnn.likelihoods.scores import crps_of_counts, crps_of_points
from bnn.likelihoods.targets import in_support, same_examples, target_columns
from bnn.noise import Noise, Purpose

if TYPE_CHECKING:
    from bnn.likelihoods.columns import Columns


class Mixture:
    """p(y | x) = Σₛ πₛ p(y; parametersₛ), of y = z · scale + loc, the target's own units.

    Everything is float64. `aleatoric + epistemic = variance`, by the law of total variance.

    Args:
      likelihood: gives the density of one component in the units that the model is trained in.
      parameters: of S components, `[S, B, …]` each, or without the leading axes.
      loc: finite mean that was subtracted from the targets, number or `[D]`.
      scale: positive number or `[D]` that the targets were divided by.
      log_weights: ln πₛ, `[S, B]`; uniform where None.
      num_samples: number of posterior samples, whose components stand one after another; S where
        None: one component each.
    """

    def __init__(
        self,
        likelihood: Columns,
        parameters: tuple[tf.Tensor, ...],
        loc: Any = 0.0,
        scale: Any = 1.0,
        log_weights: tf.Tensor | None = None,
        num_samples: Any = None,
    ) -> None:
        self.likelihood = likelihood
        parameters = tuple(tf.cast(p, tf.float64) for p in parameters)
        zeros = tf.zeros_like(parameters[0])
        self.parameters = tuple(p if p.shape.rank >= 3 else p + zeros for p in parameters)
        self.loc, self.scale = _units(loc, scale, zeros.shape[-1])
        if log_weights is None:
            log_weights = tf.zeros_like(zeros[:, :, 0]) - tf.math.log(_as_float64(len_of(zeros)))
        self.log_weights = log_weights
        self.num_samples = len_of(zeros) if num_samples is None else num_samples

    def __repr__(self) -> str:
        """Likelihood, and numbers of components, inputs and columns."""
        shape = self.parameters[0].shape
        return f"Mixture({type(self.likelihood).__name__}, [S, B, D] = {shape})"

    @property
    def shape(self) -> tf.TensorShape:
        """`[B, D]`."""
        return self.parameters[0].shape[1:3]

    def log_prob(self, targets: Any) -> tf.Tensor:
        """Log p(y | x) in nats, `[B]`, for targets `[B, D]` or `[B]`.

        Raises:
          ValueError: as the likelihood's own `log_prob`.
        """
        columns, inside = self._standard(targets)
        each = self.likelihood.joint_log_density(columns[tf.newaxis], *self.parameters)
        log_prob = tf.reduce_logsumexp(each + self.log_weights, axis=0)
        log_scale = tf.reduce_sum(tf.math.log(self.scale) + tf.zeros_like(columns[:1]))
        return tf.where(inside, log_prob - log_scale, tf.cast(np.nan, tf.float64))

    def mean(self) -> tf.Tensor:
        """E[y | x], `[B, D]`."""
        return self._average(self.likelihood.mean(*self.parameters)) * self.scale + self.loc

    def variance(self) -> tf.Tensor:
        """Var[y | x], `[B, D]`: aleatoric plus epistemic."""
        return self.aleatoric() + self.epistemic()

    def stddev(self) -> tf.Tensor:
        """The square root of the variance, `[B, D]`."""
        return tf.sqrt(self.variance())

    def aleatoric(self) -> tf.Tensor:
        """The mean over samples of the noise's variance, `[B, D]`."""
        return self._average(self.likelihood.variance(*self.parameters)) * self.scale**2

    def epistemic(self) -> tf.Tensor:
        """The variance over samples of the mean, `[B, D]`."""
        means = self.likelihood.mean(*self.parameters)
        return self._average((means - self._average(means)) ** 2) * self.scale**2

    def cdf(self, targets: Any) -> tf.Tensor:
        """P(Y_d ≤ y_d | x), of the shape of the targets, `[…, B, D]`; NaN for a target of NaN.

        Raises:
          ValueError: targets of another shape, `[B]` among them, as they would be broadcast.
        """
        targets = _as_float64(targets)
        if targets.shape.rank == 1 or not targets.shape[-2:].is_compatible_with(self.shape):
            raise ValueError(
                f"{type(self.likelihood).__name__}: targets of cdf must be […, B, D] with [B, D] = "
                f"{self.shape}, got shape {targets.shape}; give every target column, "
                "targets[:, None] where there is one."
            )
        below = self._cdf((targets - self.loc) / self.scale)
        return tf.where(tf.math.is_nan(targets), targets, below)

    def quantile(self, q: Any) -> tf.Tensor:
        """The smallest y_d with P(Y_d ≤ y_d | x) ≥ q, `q.shape + [B, D]`.

        Args:
          q: a probability or an array of them, strictly between 0 and 1.
        """
        q = check_probability("q", q)
        q = tf.constant(q.reshape((*q.shape, 1, 1)), tf.float64)
        each = self.likelihood.quantile(q[..., tf.newaxis, :, :], *self.parameters)
        lower, upper = tf.reduce_min(each, axis=-3), tf.reduce_max(each, axis=-3)
        roots = bisect(self._cdf, q, lower, upper, self.likelihood.discrete)
        return roots * self.scale + self.loc

    def interval(self, level: float = 0.95) -> tuple[tf.Tensor, tf.Tensor]:
        """The central interval of mass `level`: lower and upper ends, `[B, D]` each."""
        level = float(check_probability("level", level))
        lower, upper = tf.unstack(self.quantile([(1 - level) / 2, (1 + level) / 2]))
        return lower, upper

    def sample(self, num_samples: int, seed: Any = 0) -> tf.Tensor:
        """Independent targets `[num_samples, B, D]`.

        Args:
          num_samples: at least 1.
          seed: int or scalar integer tensor.
        """
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1:
            raise ValueError(
                f"num_samples must be an integer of at least 1, got {num_samples!r}; "
                "quantile and interval need no samples."
            )
        noise = Noise(seed, purpose=Purpose.OUTCOMES)
        size = [num_samples, *tf.unstack(tf.shape(self.parameters[0])[1:3])]
        below = tf.cumsum(tf.exp(self.log_weights), axis=0)
        pick = _as_float64(noise.uniform(tf.stack(size[:2]), 0)) * below[-1]
        component = tf.reduce_sum(tf.cast(pick[:, tf.newaxis] > below, tf.int32), axis=1)
        example = tf.zeros_like(component) + tf.range(size[1])
        places = tf.stack([component, example], axis=-1)
        picked = (tf.gather_nd(p, places) for p in self.parameters)
        uniform = _as_float64(noise.uniform(tf.stack(size), 1))
        return self.likelihood.draw(uniform, *picked) * self.scale + self.loc

    def crps(self, targets: Any) -> tf.Tensor:
        """The continuous ranked probability score ∫ (F(t) − [t ≥ y])² dt, `[B, D]`, target units.

        Exact for counts up to some thousands, a sum over the integers; else of the distribution on
        points at the middles of equal shares of every component, 1,024 or more (Gneiting & Raftery
        2007, equation 21): errors below 1e-3 of the spread.
        """
        columns, inside = self._standard(targets)
        if self.likelihood.discrete:
            upper = tf.reduce_max(
                self.likelihood.quantile(tf.constant(1 - 1e-12, tf.float64), *self.parameters)
            )
            score = crps_of_counts(self._cdf, columns, upper, self.continuous_crps)
        else:
            score = self.continuous_crps(columns)
        score = score * self.scale
        return tf.where(inside[:, tf.newaxis], score, tf.cast(np.nan, tf.float64))

    def continuous_crps(self, columns: tf.Tensor) -> tf.Tensor:
        """The score `[B, D]` in the units that the model is trained in."""
        return crps_of_points(self.likelihood.quantile, self.parameters, self.log_weights, columns)

    def _average(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.exp(self.log_weights)[..., tf.newaxis] * values, axis=0)

    def _cdf(self, z: tf.Tensor) -> tf.Tensor:
        each = self.likelihood.cdf(z[..., tf.newaxis, :, :], *self.parameters)
        return tf.reduce_sum(tf.exp(self.log_weights)[..., tf.newaxis] * each, axis=-3)

    def _standard(self, targets: Any) -> tuple[tf.Tensor, tf.Tensor]:
        likelihood = self.likelihood
        name = type(likelihood).__name__
        columns = target_columns(name, targets, self.shape[1], tf.float64)
        same_examples(name, self.parameters[0][0], columns)
        z = (columns - self.loc) / self.scale
        safe, inside = in_support(
            name,
            z,
            likelihood.valid,
            likelihood.neutral_target,
            likelihood.requirement,
            likelihood.remedy,
        )
        return safe, tf.reduce_all(inside, axis=-1)


def check_probability(argument: str, value: Any) -> np.ndarray:
    """The value as an array; ValueError unless it lies strictly between 0 and 1."""
    array = np.asarray(value, np.float64)
    if not array.size or not ((array > 0) & (array < 1)).all():
        raise ValueError(
            f"{argument} must lie strictly between 0 and 1, got {value}; 0.95 is usual."
        )
    return array


def len_of(values: tf.Tensor) -> Any:
    """The size of the first axis: a number where it is known."""
    return values.shape[0] if values.shape[0] is not None else tf.shape(values)[0]


def _as_float64(values: Any) -> tf.Tensor:
    if not tf.is_tensor(values):  # TensorFlow would read a list of numbers as float32
        values = np.asarray(values, np.float64)
    return tf.cast(values, tf.float64)


def _units(loc: Any, scale: Any, width: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    # Given as NumPy doubles or numbers: float32 would be 0.06 off for targets near 10⁶.
    loc, scale = (
        tf.cast(a, tf.float64) if tf.is_tensor(a) else tf.constant(np.asarray(a, np.float64))
        for a in (loc, scale)
    )
    for argument, value in (("loc", loc), ("scale", scale)):
        if value.shape.rank != 0 and not value.shape.is_compatible_with([width]):
            raise ValueError(
                f"{argument} must be a number or [D] = [{width}], one for each target column, got "
                f"shape {value.shape}: it would be broadcast; give those of these targets."
            )
    known = tf.get_static_value(loc)
    if known is not None and not np.isfinite(known).all():
        raise ValueError(
            f"loc must be finite, got {known}; it is the mean that was subtracted from the "
            "targets, 0 where there was none."
        )
    known = tf.get_static_value(scale)
    if known is not None and not (np.isfinite(known) & (known > 0)).all():
        raise ValueError(
            f"scale must be positive and finite, got {known}; it is what the targets were "
            "divided by, 1 where they were not."
        )
    return loc, scale
