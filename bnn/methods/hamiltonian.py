"""What Hamiltonian Monte Carlo and its kin share: a step size adapted to an acceptance."""

from __future__ import annotations

import abc
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.methods.beginnings import Members
from bnn.methods.chains import ChainSampler
from bnn.methods.problem import Problem
from bnn.noise import Noise

# Of dual averaging: Hoffman & Gelman 2014, section 3.2.1.
_SHRINKAGE, _DELAY, _FORGETTING = 0.05, 10.0, 0.75


class Transition(NamedTuple):
    """One transition of all chains.

    Attributes:
      state: `[C, D]`.
      log_joint: of the state, `[C]`, over the temperature.
      acceptance: mean probability of acceptance, `[C]`.
      gradients: that it took, over all chains, scalar.
      measures: what else the kernel says, scalars.
    """

    state: tf.Tensor
    log_joint: tf.Tensor
    acceptance: tf.Tensor
    gradients: tf.Tensor
    measures: dict[str, tf.Tensor]


class HamiltonianSampler(ChainSampler):
    """Chains whose step size ε is adapted to a wanted acceptance, see `ChainSampler`.

    Until `burn_in` it is by dual averaging (Hoffman & Gelman 2014, algorithm 5, α the mean over
    the chains):

        H ← (1 − 1/(m + 10)) H + (δ − α) / (m + 10),  log ε = log 10 ε₀ − (√m / 0.05) H,

    and held at its average after.
    """

    averaged: tuple[str, ...] = ("nll", "acceptance")
    said: tuple[str, ...] = ()  # by the kernel

    def __init__(
        self,
        step_size: float,
        num_chains: int,
        target_acceptance: float,
        temperature: float,
        warm_start: float,
        burn_in: float,
        thinning: int | None,
        members: Members | None = None,
    ) -> None:
        super().__init__(step_size, num_chains, temperature, warm_start, burn_in, thinning, members)
        if not 0 < target_acceptance < 1:
            raise ValueError(
                f"target_acceptance must lie strictly between 0 and 1, got {target_acceptance}."
            )
        self.target_acceptance = float(target_acceptance)

    def create(self, problem: Problem) -> None:
        """The chains' states, and the step size's."""
        super().create(problem)
        size = math.log(self._first_size)
        # H, log ε, its average, and the number of steps that they were taken from.
        adaptation = np.array([0.0, size, size, 0.0], np.float32)
        self._adaptation = keras.Variable(adaptation, trainable=False, name="adaptation")

    @property
    def measures(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a transition says."""
        return ("acceptance", "step_size", *self.said)

    def transition(
        self, log_joint: Callable[[tf.Tensor], tf.Tensor], noise: Noise
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """A transition of all chains in place; see `ChainSampler.transition`."""
        adapting = noise.step < self.burn_steps
        size = tf.exp(tf.where(adapting, self._adaptation[1], self._adaptation[2]))
        done = self.kernel(log_joint, tf.convert_to_tensor(self._chains), size, noise)
        self._chains.assign(done.state)
        self._log_joints.assign(done.log_joint * self.temperature)
        finite = tf.math.is_finite(done.acceptance)  # a trajectory that diverged has none
        acceptance = tf.reduce_mean(tf.where(finite, done.acceptance, 0.0))
        adapted = dual_averaging(
            tf.convert_to_tensor(self._adaptation),
            self.target_acceptance - acceptance,
            self._first_size,
        )
        self._adaptation.assign(tf.where(adapting, adapted, self._adaptation))
        measures = [tf.cast(done.measures[name], tf.float32) for name in self.said]
        return done.gradients, [acceptance, size, *measures]

    @abc.abstractmethod
    def kernel(
        self,
        log_joint: Callable[[tf.Tensor], tf.Tensor],
        state: tf.Tensor,
        step_size: tf.Tensor,
        noise: Noise,
    ) -> Transition:
        """One transition.

        Args:
          log_joint: states `[C, D]` to `[C]`, over the temperature.
          state: of all chains, `[C, D]`.
          step_size: ε, scalar.
          noise: of the step, for this purpose.
        """

    def describe(self) -> dict[str, Any]:
        """See `ChainSampler.describe`; the step size after the adaptation."""
        about = super().describe() | {"target_acceptance": self.target_acceptance}
        if self.archive is not None:
            about["step_size"] = float(np.exp(self._adaptation.numpy()[2]))
        return about

    @property
    def variables(self) -> list[keras.Variable]:
        """As of `ChainSampler`, and the step size's."""
        return [*super().variables, self._adaptation]


def dual_averaging(state: tf.Tensor, error: tf.Tensor, first_size: float) -> tf.Tensor:
    """One step of the adaptation of log ε (Hoffman & Gelman 2014, algorithm 5).

    Args:
      state: H, log ε, its average and the number of steps so far, `[4]`.
      error: δ − α, scalar.
      first_size: ε₀.
    """
    total, _, average, count = tf.unstack(state)
    count = count + 1.0
    share = 1.0 / (count + _DELAY)
    total = (1.0 - share) * total + share * error
    log_size = math.log(10.0 * first_size) - tf.sqrt(count) / _SHRINKAGE * total
    weight = count**-_FORGETTING
    return tf.stack([total, log_size, weight * log_size + (1.0 - weight) * average, count])


def seed_of(noise: Noise) -> tf.Tensor:
    """A seed for TFP, int32 `[2]`, of the run's own noise: a continued chain has the same one."""
    return tf.bitcast(noise.bits((2,)), tf.int32)


def mcmc() -> Any:
    """`tensorflow_probability.mcmc`, imported when the first chain moves.

    Its warning of matrix products in TensorFloat-32 is of GPUs alone.
    """
    with warnings.catch_warnings():
        if not tf.config.list_physical_devices("GPU"):
            warnings.filterwarnings("ignore", "TensorFloat-32")
        from tensorflow_probability import mcmc as module

        module.HamiltonianMonteCarlo  # noqa: B018  (imported lazily)
    return module
