"""The ELBO with the path-derivative gradient."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.noise import Noise
from bnn.objectives.densities import log_ratios, require_pathwise
from bnn.objectives.negative_elbo import NegativeELBO


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class StickingTheLanding(NegativeELBO):
    """The negative ELBO with KL ≈ (1/S) Σₛ [log q(wₛ; stop φ) − log p(wₛ)], w = g(ε, φ).

    The Monte-Carlo KL uses the very weights of the likelihood term, and the score of q, whose
    expectation is 0, is left out of the gradient. Where q equals the posterior the gradient of
    every single sample is 0 (Roeder, Wu, Duvenaud 2017), which no closed-form KL achieves. Needs
    `Reparameterization`.
    """

    def kl_by_site(
        self, model: keras.Model, draws: list[Draw], noise: Noise
    ) -> dict[str, tf.Tensor]:
        """The Monte-Carlo KL of every site in nats, with the path derivative only."""
        del noise
        for draw in draws:
            require_pathwise(draw, "sticking the landing")
        ratios = [log_ratios(model, draw, path_only=True) for draw in draws]
        return {name: tf.add_n([r[name] for r in ratios]) / len(ratios) for name in ratios[0]}
