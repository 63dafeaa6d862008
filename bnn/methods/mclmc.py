"""Microcanonical Langevin Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.methods.beginnings import Members
from bnn.methods.chains import MOST_GRADIENTS, ChainSampler
from bnn.methods.problem import Problem
from bnn.noise import Noise

# Of the integrator: McLachlan 1995, the minimal norm scheme of two stages.
_OUTER = 0.1931833275037836
# Of the step size's adaptation, as Robnik & Seljak's own program has them: how many integrator
# steps it remembers, and how far from the wanted error a step still counts.
_MEMORY, _TRUST = 149.0 / 151.0, 1.5
# Of ΔE² / (D v): below it an error is rounding.
_LEAST_ERROR = 1e-8
_REDUCED = 0.8
# Places of `_tuned`.
_TOTAL, _WEIGHT, _SIZE, _MOST, _LENGTH, _COUNT = range(6)


@gin.register(module="bnn.methods")
class MCLMC(ChainSampler):
    """dw = u dt, du = (1 − u uᵀ)(−∇U / (D − 1) dt + η dW), |u| = 1: p(w | y) without rejections.

    Microcanonical Langevin Monte Carlo (Robnik, De Luca, Silverstein & Seljak 2023; Robnik & Seljak
    2024, equation 4), U = −log p(w, y) / T of all the data. The velocity has always length 1, so
    that nothing is wasted where the density is low. A step of size ε, with z ~ N(0, 1):

        R(ε/2):  u ← (u + ν z) / |u + ν z|,  ν = √((exp(ε / L) − 1) / D)
        B(b ε):  u ← (e (1 − ζ)(1 + ζ + e·u (1 − ζ)) + 2 ζ u) / |…|,
                 ζ = exp(−δ), δ = b ε |∇U| / (D − 1), e = −∇U / |∇U|
        A(ε/2):  w ← w + ε u / 2

    in the order R B A B' A B R, with b = 0.1932 in B and 1 − 2 b in B' (McLachlan 1995). B keeps

        E = U + (D − 1) Σ [δ − ln 2 + ln(1 + e·u + (1 − e·u) ζ²)]

    but for the integrator's error ΔE. It is exact for ε → 0, and there is no Metropolis test:
    the law has a bias that grows with E[ΔE²] / D. Until `burn_in` ε is adapted so that this is v,
    by ΔE² ∝ ε⁶, with weights w that are 1 where the error is as wanted:

        x ← γ x + w ξ / ε⁶,  t ← γ t + w,  ε = (x / t)^(−1/6),  ξ = ΔE² / (D v)

    and L, the length after which u has forgotten its direction, is √D until the second half of that
    time and after it √(Σᵢ Var[wᵢ]) of that half, in the mean over the chains. Both are held while
    samples are taken. A step that is not finite is taken back, with a fresh u, and ε stays below.

    Many chains with a `warm_start`, or with the `members` of an ensemble, and a generous v are
    microcanonical Langevin ensembles (MILE, Sommer et al. 2025, with v from 0.1 to 0.5).

    Args:
      num_integrator_steps: of a transition; each takes two gradients, and one more is taken at the
        transition's start.
      step_size: ε₀, where the adaptation begins; √D / 100 where None.
      energy_variance: v.
      decoherence_length: L; what burn-in finds where None.
      num_chains: C.
      temperature: T.
      warm_start: share of the steps that the run's optimizer takes first, where it has one.
      burn_in: share of the steps before the first sample.
      thinning: steps from one sample to the next; where None, what keeps about a hundred.
      members: where the chains begin, in place of a descent (Sommer et al. 2024): folder of a run
        of `DeepEnsemble` of `MAP` that has ended, or models; at least C of them.
    """

    averaged = ("nll", "energy_error")
    measures = ("energy_error", "step_size", "decoherence_length", "not_finite")

    def __init__(
        self,
        num_integrator_steps: int = 10,
        *,
        step_size: float | None = None,
        energy_variance: float = 5e-4,
        decoherence_length: float | None = None,
        num_chains: int = 1,
        temperature: float = 1.0,
        warm_start: float = 0.3,
        burn_in: float = 0.5,
        thinning: int | None = None,
        members: Members | None = None,
    ) -> None:
        size = 1.0 if step_size is None else step_size
        super().__init__(size, num_chains, temperature, warm_start, burn_in, thinning, members)
        count = num_integrator_steps
        if not isinstance(count, int) or not 1 <= count <= MOST_GRADIENTS:
            raise ValueError(
                f"num_integrator_steps must be an integer from 1 to {MOST_GRADIENTS}, got "
                f"{count!r}; 10 is usual."
            )
        if not 0 < energy_variance < math.inf:
            raise ValueError(
                f"energy_variance must be positive, got {energy_variance!r}; 5e-4 is usual."
            )
        if decoherence_length is not None and not 0 < decoherence_length < math.inf:
            raise ValueError(
                "decoherence_length must be positive, or None to be found in the burn-in, got "
                f"{decoherence_length!r}."
            )
        self.num_integrator_steps, self.energy_variance = num_integrator_steps, energy_variance
        self.decoherence_length, self._given_size = decoherence_length, step_size

    def create(self, problem: Problem) -> None:
        """The chains' states and velocities, and what is adapted.

        Raises:
          ValueError: a single weight, which has no direction; no burn-in to find L in.
        """
        super().create(problem)
        if self.size < 2:
            raise ValueError(
                "method MCLMC needs at least 2 weights, for its velocity is a direction, got 1; "
                "use NUTS."
            )
        tuned = self.burn_steps - self.warm_steps
        if tuned < 2 and self.decoherence_length is None:
            raise ValueError(
                "burn_in must leave MCLMC at least 2 steps after the descent to find its length "
                f"in, got {tuned} of {problem.total_steps}; use burn_in = 0.5, or set "
                "decoherence_length."
            )
        self._settle = self.burn_steps - tuned // 2  # the first step of the second half
        root = math.sqrt(self.size)
        self._first = 0.01 * root if self._given_size is None else float(self._given_size)
        length = root if self.decoherence_length is None else self.decoherence_length
        shape = tuple(self._chains.shape)
        # A velocity of 0 takes its direction from the first refreshment.
        self._velocities = _variable(np.zeros(shape), "velocities")
        self._moments = _variable(np.zeros((2, *shape)), "moments")
        self._tuned = _variable([0.0, 0.0, self._first, np.inf, length, 0.0], "tuned")

    def transition(
        self, log_joint: Callable[[tf.Tensor], tf.Tensor], noise: Noise
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """See `ChainSampler.transition`."""
        adapting = noise.step < self.burn_steps
        state = tf.convert_to_tensor(self._chains)
        velocity, tuned = map(tf.convert_to_tensor, (self._velocities, self._tuned))
        value, slope = _value_and_slope(log_joint, state)
        zero = tf.zeros([])

        def body(i: Any, at: Any, tuned: Any, squares: Any, lost: Any) -> Any:
            own = noise.at(sample=i)
            moved, change = self.integrate(log_joint, at, tuned[_SIZE], tuned[_LENGTH], own)
            finite = _finite(moved, change)
            back = (at[0], own.normal(at[0].shape, stream=2), at[2], at[3])
            at = tuple(_by_chain(finite, a, b) for a, b in zip(moved, back, strict=True))
            error = tf.square(tf.where(finite, change, 0.0)) / self.size
            ratio = error / self.energy_variance
            adapted = _adapted(tuned, ratio, finite, self._first)
            tuned = tf.where(adapting, adapted, tuned)
            share = tf.cast(finite, tf.float32)
            return (
                i + 1,
                at,
                tuned,
                squares + tf.reduce_mean(error),
                lost + 1 - tf.reduce_mean(share),
            )

        count = self.num_integrator_steps
        loop = (tf.constant(0), (state, velocity, value, slope), tuned, zero, zero)
        _, (state, velocity, value, _), tuned, squares, lost = tf.while_loop(
            lambda i, *_: i < count, body, loop
        )
        self._chains.assign(state)
        self._velocities.assign(velocity)
        self._log_joints.assign(value * self.temperature)
        self._tuned.assign(self._lengthened(state, tuned, noise.step))
        gradients = tf.constant(self.num_chains * (2 * count + 1))
        return gradients, [squares / count, tuned[_SIZE], tuned[_LENGTH], lost / count]

    def integrate(
        self,
        log_joint: Callable[[tf.Tensor], tf.Tensor],
        at: tuple[tf.Tensor, ...],
        size: tf.Tensor,
        length: tf.Tensor,
        noise: Noise,
    ) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        """R B A B' A B R, and ΔE, `[C]`; a state is w, u, −U `[C]` and −∇U."""
        state, velocity, before, slope = at
        velocity = refreshed(velocity, noise.normal(velocity.shape), 0.5 * size / length)
        velocity, kinetic = turned(velocity, slope, _OUTER * size)
        for part in (1 - 2 * _OUTER, _OUTER):
            state += 0.5 * size * velocity
            value, slope = _value_and_slope(log_joint, state)
            velocity, more = turned(velocity, slope, part * size)
            kinetic += more
        normal = noise.normal(velocity.shape, stream=1)
        velocity = refreshed(velocity, normal, 0.5 * size / length)
        return (state, velocity, value, slope), kinetic - value + before

    def _lengthened(self, state: tf.Tensor, tuned: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """With L, at the end of the burn-in, from moments that are taken in its second half."""
        if self.decoherence_length is not None:
            return tuned
        taking = (step >= self._settle) & (step < self.burn_steps)
        count = tuned[_COUNT] + tf.cast(taking, tf.float32)
        moments = tf.convert_to_tensor(self._moments)
        # Welford's, so that variances are no differences of large numbers.
        gap = state - moments[0]
        mean = moments[0] + gap / tf.maximum(count, 1.0)
        squares = moments[1] + gap * (state - mean)
        self._moments.assign(tf.where(taking, tf.stack([mean, squares]), moments))
        found = tf.sqrt(tf.reduce_mean(tf.reduce_sum(squares, -1)) / tf.maximum(count, 1.0))
        ends = (step + 1 == self.burn_steps) & (found > 0)
        length = tf.where(ends, found, tuned[_LENGTH])
        return tf.concat([tuned[:_LENGTH], [length, count]], 0)

    def describe(self) -> dict[str, Any]:
        """See `ChainSampler.describe`; what was adapted."""
        about = super().describe() | {
            "num_integrator_steps": self.num_integrator_steps,
            "energy_variance": self.energy_variance,
        }
        if self.archive is None:
            held: list[Any] = [self._given_size, self.decoherence_length]
        else:
            held = self._tuned.numpy()[[_SIZE, _LENGTH]].tolist()
        return about | dict(zip(("step_size", "decoherence_length"), held, strict=True))

    @property
    def variables(self) -> list[keras.Variable]:
        """As of `ChainSampler`, velocities, and what is adapted."""
        return [*super().variables, self._velocities, self._moments, self._tuned]


def turned(velocity: tf.Tensor, slope: tf.Tensor, time: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """B: the velocity after a time in a constant force, and the kinetic part of ΔE, `[C]`.

    Exact (Ver Steeg & Galstyan 2021, appendix), without exponentials that could overflow.

    Args:
      velocity: u, `[C, D]`.
      slope: −∇U, `[C, D]`.
      time: b ε.
    """
    size = tf.cast(tf.shape(velocity)[-1], tf.float32)
    norm = tf.norm(slope, axis=-1, keepdims=True)
    direction = slope / tf.maximum(norm, 1e-30)
    along = tf.reduce_sum(direction * velocity, -1, keepdims=True)
    delta = time * norm / (size - 1)
    zeta = tf.exp(-delta)
    raw = direction * (1 - zeta) * (1 + zeta + along * (1 - zeta)) + 2 * zeta * velocity
    grown = delta - math.log(2) + tf.math.log(1 + along + (1 - along) * tf.square(zeta))
    return _unit(raw), (size - 1) * grown[..., 0]


def refreshed(velocity: tf.Tensor, normal: tf.Tensor, time: Any) -> tf.Tensor:
    """R: the velocity with noise, of length 1 again; `time` in units of L."""
    size = tf.cast(tf.shape(velocity)[-1], tf.float32)
    return _unit(velocity + tf.sqrt(tf.math.expm1(2 * time) / size) * normal)


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return vectors / tf.norm(vectors, axis=-1, keepdims=True)


def _value_and_slope(
    log_joint: Callable[[tf.Tensor], tf.Tensor], state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(state)
        value = log_joint(state)
    return value, tape.gradient(value, state)


def _finite(moved: tuple[tf.Tensor, ...], change: tf.Tensor) -> tf.Tensor:
    """Which chains are, `[C]`."""
    whole = [tf.reduce_all(tf.math.is_finite(moved[i]), -1) for i in (0, 1, 3)]
    return tf.math.is_finite(change) & tf.reduce_all(tf.stack(whole), 0)


def _by_chain(finite: tf.Tensor, moved: tf.Tensor, back: tf.Tensor) -> tf.Tensor:
    return tf.where(finite[:, tf.newaxis] if moved.shape.rank == 2 else finite, moved, back)


def _adapted(tuned: tf.Tensor, error: tf.Tensor, finite: tf.Tensor, first: float) -> tf.Tensor:
    """One step of ε, from ξ of the chains, `[C]`; sums are in units of ε₀, for float32."""
    size = tuned[_SIZE]
    most = tf.where(tf.reduce_all(finite), tuned[_MOST], _REDUCED * size)
    error += _LEAST_ERROR
    weight = tf.exp(-0.5 * tf.square(tf.math.log(error) / (6.0 * _TRUST)))
    total = _MEMORY * tuned[_TOTAL] + tf.reduce_mean(weight * error) * (first / size) ** 6
    weights = _MEMORY * tuned[_WEIGHT] + tf.reduce_mean(weight)
    size = tf.minimum(first * (total / weights) ** (-1 / 6), most)
    return tf.concat([[total, weights, size, most], tuned[_LENGTH:]], 0)


def _variable(value: Any, name: str) -> keras.Variable:
    return keras.Variable(np.asarray(value, np.float32), trainable=False, name=name)
