"""Anchored members: a MAP estimate about a draw from the prior, for ensembles that are Bayesian."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.data import Batch
from bnn.draw import Draw
from bnn.methods.log_joint import negative_log_joint
from bnn.methods.map import MAP
from bnn.methods.problem import Problem
from bnn.noise import Noise, Purpose
from bnn.objectives import NegativeELBO
from bnn.sites import Site, sites
from bnn.training import Info


@gin.register(module="bnn.methods")
class AnchoredMAP(MAP):
    """w ← optimizer(∇_w L), L = −(1/B) Σ_b log p(y_b | x_b, w) − log p(w − a + m) / N + R(w).

    A member of an anchored ensemble, randomised MAP sampling (Pearce, Leibfried, Brintrup, Zaki &
    Neely 2020): p is the prior, m its mean, and the anchor a ~ p(w) is drawn once for the training.
    For N(m, S) the term is (w − a)ᵀ S⁻¹ (w − a) / 2N and a constant. A weight of which the data say
    nothing goes to its anchor, a draw from the prior; of `MAP` every member's goes to m. For
    `DeepEnsemble.method = @AnchoredMAP()`, each of whose members has anchors of its own; alone it
    is one draw, a single function.

    Its law is not the posterior's. In a linear regression y = X w + N(0, σ²) with Λ = XᵀX / σ² +
    S⁻¹ a member ends at

        ŵ = Λ⁻¹ (Xᵀy / σ² + S⁻¹ a),  E[ŵ] = Λ⁻¹ (Xᵀy / σ² + S⁻¹ m),  Cov[ŵ] = Λ⁻¹ S⁻¹ Λ⁻¹.

    The mean is the posterior's, and the covariance is below the posterior's Λ⁻¹: by the factor
    1 / (1 + s² λ) in a direction in which the data have the precision λ and the prior the variance
    s². So it is right where the data say nothing, and too small where they say much. Anchors of
    covariance S Λ S would mend that, and need the curvature of the data. Of networks, whose
    posterior has many modes, no law is known; a member finds one mode.

    Anchors are a function of the seed and of the weight's place alone: they are no state, are drawn
    again in every step, and are the same on all replicas and after a kill. Weights without a prior
    have no anchor: they are fitted as by `MAP`.
    """

    def build(self, problem: Problem) -> None:
        """Checks that weights are points, and their priors normal and fixed.

        Raises:
          ValueError: no weight with a prior; a posterior that is not a point; a prior that is
            learned, or is not normal.
        """
        name, found = type(self).__name__, sites(problem.model)
        if not found:
            raise ValueError(
                f"method {name} needs priors to draw anchors from, but model "
                f"{problem.model.name!r} has no Bayesian layer; use bnn.layers, "
                "bnn.convert(model), or the method MAP."
            )
        for number, (label, site) in enumerate(found.items()):
            _check_prior(site, number, label, name)
        super().build(problem)

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The loss: nll (nats per example), and penalty, of all sites, and kl/<site>, of each.

        These are −log p(w − a + m), in nats.
        """
        info = negative_log_joint(self.problem, batch, noise, training, _Anchored())
        said = {"penalty" if name == "kl" else name: v for name, v in info.metrics.items()}
        return Info(info.loss, said)

    def describe(self) -> dict[str, Any]:
        """Name, and that one function stands for the posterior."""
        return {"method": type(self).__name__, "posterior": "a mode about an anchor of its own"}


class _Anchored(NegativeELBO):
    """The negative log joint with −log p(w − a + m) in the ledger's place."""

    def kl_by_site(
        self, model: keras.Model, draws: list[Draw], noise: Noise
    ) -> dict[str, tf.Tensor]:
        """−log p(w − a + m) of every site, nats."""
        del draws
        terms = {}
        for number, (name, site) in enumerate(sites(model).items()):
            moved = site.posterior.mean - _offset(site, number, noise)
            terms[name] = -tf.reduce_sum(site.prior.log_prob(moved))
        return terms


def _offset(site: Site, number: int, noise: Noise) -> tf.Tensor:
    """The site's a − m: of the seed, whatever the step, replica and examples."""
    fixed = noise.at(
        purpose=Purpose.METHOD, site=number, step=0, sample=0, replica=0, example_offset=0
    )
    return site.prior.deviation(fixed, site.posterior.shape)


def _check_prior(site: Site, number: int, label: str, method: str) -> None:
    if any(v.trainable for v in site.prior.variables):
        raise ValueError(
            f"method {method} draws its anchors from fixed priors, but that of site {label}, "
            f"{site.prior!r}, is learned; use priors.Normal() or FanInNormal()."
        )
    try:
        _offset(site, number, Noise(0))
    except NotImplementedError:
        raise ValueError(
            f"method {method} needs normal priors, about whose draws a weight can be held, but "
            f"site {label} has {site.prior!r}; use priors.Normal() or FanInNormal()."
        ) from None
