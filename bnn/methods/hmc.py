"""Hamiltonian Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gin
import tensorflow as tf

from bnn.methods.beginnings import Members
from bnn.methods.chains import MOST_GRADIENTS
from bnn.methods.hamiltonian import HamiltonianSampler, Transition, mcmc, seed_of
from bnn.noise import Noise


@gin.register(module="bnn.methods")
class HMC(HamiltonianSampler):
    """w, m → w', m' by L leapfrog steps, with probability min(1, exp(H(w, m) − H(w', m'))).

    H(w, m) = U(w) / T + ½ mᵀm, m ~ N(0, 1) anew in every transition, U = −log p(w, y) of all the
    data (Duane et al. 1987; Neal 2011, algorithm of section 3.2). A leapfrog step is m ← m − ½ ε
    ∇U / T, w ← w + ε m, m ← m − ½ ε ∇U / T. The kernel is TensorFlow Probability's. Exact at any ε.

    Trajectories of one length come back to their start in directions whose period fits, so ε is
    drawn anew in every transition, uniformly within `jitter` of itself (Neal 2011, section 3.2).

    Args:
      num_leapfrog_steps: L, gradients of a transition.
      step_size: ε₀, where the adaptation begins.
      jitter: share of ε, at least 0 and below 1.
      num_chains: C.
      target_acceptance: δ, what the adaptation aims at.
      temperature: T.
      warm_start: share of the steps that the run's optimizer takes first, where it has one.
      burn_in: share of the steps before the first sample; ε is adapted until then.
      thinning: steps from one sample to the next; where None, what keeps about a hundred.
      members: where the chains begin, in place of a descent (Sommer et al. 2024): folder of a run
        of `DeepEnsemble` of `MAP` that has ended, or models; at least C of them.
    """

    averaged = ("nll", "acceptance")
    said = ()

    def __init__(
        self,
        num_leapfrog_steps: int = 20,
        *,
        step_size: float = 1e-3,
        jitter: float = 0.2,
        num_chains: int = 1,
        target_acceptance: float = 0.8,
        temperature: float = 1.0,
        warm_start: float = 0.3,
        burn_in: float = 0.5,
        thinning: int | None = None,
        members: Members | None = None,
    ) -> None:
        super().__init__(
            step_size,
            num_chains,
            target_acceptance,
            temperature,
            warm_start,
            burn_in,
            thinning,
            members,
        )
        if not isinstance(num_leapfrog_steps, int) or not 1 <= num_leapfrog_steps <= MOST_GRADIENTS:
            raise ValueError(
                f"num_leapfrog_steps must be an integer from 1 to {MOST_GRADIENTS}, got "
                f"{num_leapfrog_steps!r}; 20 is usual."
            )
        if not 0 <= jitter < 1:
            raise ValueError(f"jitter must be at least 0 and below 1, got {jitter}; 0.2 is usual.")
        self.num_leapfrog_steps, self.jitter = num_leapfrog_steps, float(jitter)

    def kernel(
        self,
        log_joint: Callable[[tf.Tensor], tf.Tensor],
        state: tf.Tensor,
        step_size: tf.Tensor,
        noise: Noise,
    ) -> Transition:
        """See `HamiltonianSampler.kernel`."""
        share = 1.0 + self.jitter * (2.0 * noise.uniform((), stream=1) - 1.0)
        kernel = mcmc().HamiltonianMonteCarlo(log_joint, step_size * share, self.num_leapfrog_steps)
        begun = kernel.bootstrap_results(state)
        moved, results = kernel.one_step(state, begun, seed=seed_of(noise))
        return Transition(
            moved,
            results.accepted_results.target_log_prob,
            tf.exp(tf.minimum(results.log_accept_ratio, 0.0)),
            tf.constant(self.num_chains * (self.num_leapfrog_steps + 1)),
            {},
        )

    def describe(self) -> dict[str, Any]:
        """See `HamiltonianSampler.describe`; the number of leapfrog steps."""
        return super().describe() | {
            "num_leapfrog_steps": self.num_leapfrog_steps,
            "jitter": self.jitter,
        }
