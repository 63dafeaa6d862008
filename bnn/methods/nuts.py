"""The no-U-turn sampler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gin
import tensorflow as tf

from bnn.methods.beginnings import Members
from bnn.methods.hamiltonian import HamiltonianSampler, Transition, mcmc, seed_of
from bnn.noise import Noise


@gin.register(module="bnn.methods")
class NUTS(HamiltonianSampler):
    """w, m → a point of the trajectory through (w, m), which is doubled until it turns back.

    m ~ N(0, 1) anew in every transition; leapfrog steps of size ε of H(w, m) = U(w) / T + ½ mᵀm,
    forwards or backwards by chance, 2ʲ in doubling j, until the ends approach each other or the
    tree has its greatest depth; the point is drawn by exp(−H) with a preference for the later half
    (Hoffman & Gelman 2014; Betancourt 2017, appendix A). U = −log p(w, y) of all the data. The
    kernel is TensorFlow Probability's. Exact at any ε.

    A step says the leapfrog steps of the mean chain and the share of chains that diverged, whose
    energy was off by more than 1000: after burn-in there should be none.

    Args:
      max_tree_depth: J; a transition has at most 2ᴶ − 1 leapfrog steps.
      step_size: ε₀, where the adaptation begins.
      num_chains: C; all wait for the one with the longest trajectory.
      target_acceptance: δ, what the adaptation aims at.
      temperature: T.
      warm_start: share of the steps that the run's optimizer takes first, where it has one.
      burn_in: share of the steps before the first sample; ε is adapted until then.
      thinning: steps from one sample to the next; where None, what keeps about a hundred.
      members: where the chains begin, in place of a descent (Sommer et al. 2024): folder of a run
        of `DeepEnsemble` of `MAP` that has ended, or models; at least C of them.
    """

    averaged = ("nll", "acceptance", "leapfrog_steps", "divergences")
    said = ("leapfrog_steps", "divergences")

    def __init__(
        self,
        max_tree_depth: int = 5,
        *,
        step_size: float = 1e-3,
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
        if not isinstance(max_tree_depth, int) or not 1 <= max_tree_depth <= 20:
            raise ValueError(
                f"max_tree_depth must be an integer from 1 to 20, got {max_tree_depth!r}."
            )
        self.max_tree_depth = max_tree_depth

    def kernel(
        self,
        log_joint: Callable[[tf.Tensor], tf.Tensor],
        state: tf.Tensor,
        step_size: tf.Tensor,
        noise: Noise,
    ) -> Transition:
        """See `HamiltonianSampler.kernel`."""
        kernel = mcmc().NoUTurnSampler(log_joint, step_size, max_tree_depth=self.max_tree_depth)
        begun = kernel.bootstrap_results(state)
        moved, results = kernel.one_step(state, begun, seed=seed_of(noise))
        taken = results.leapfrogs_taken
        return Transition(
            moved,
            results.target_log_prob,
            tf.exp(tf.minimum(results.log_accept_ratio, 0.0)),
            tf.reduce_sum(taken) + self.num_chains,
            {
                "leapfrog_steps": tf.reduce_mean(tf.cast(taken, tf.float32)),
                "divergences": tf.reduce_mean(tf.cast(results.has_divergence, tf.float32)),
            },
        )

    def describe(self) -> dict[str, Any]:
        """See `HamiltonianSampler.describe`; the greatest depth."""
        return super().describe() | {"max_tree_depth": self.max_tree_depth}
