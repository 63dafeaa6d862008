"""Flipout: one weight perturbation, decorrelated across examples by random signs."""

from __future__ import annotations

import gin
import tensorflow as tf

from bnn.estimators.estimator import Estimate, Estimator
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior

_INPUT_SIGNS, _OUTPUT_SIGNS = 1, 2


@gin.register(module="bnn.estimators")
class Flipout(Estimator):
    """yₙ = op(xₙ, μ) + sₙ ∘ op(rₙ ∘ xₙ, Δ), Δ = w − μ, w ~ q (Wen et al. 2018, equation 4).

    r and s are independent random signs per example and input or output channel; the mean's term
    has none. For a factorised posterior symmetric about its mean each example's weights
    μ + Δ ∘ (r sᵀ) have distribution q, and two examples' perturbations are uncorrelated. Positions
    of one example share one weight sample, as they should. The outputs of a batch are not one
    function of the inputs: joint predictions need coherent draws.
    """

    couples_examples = False

    def unfit(self, posterior: Posterior) -> str | None:
        """Needs independent elements, symmetric about the mean."""
        if not (posterior.factorized and posterior.symmetric):
            return (
                "it needs a posterior whose elements are independent and symmetric about the mean"
            )
        return None

    def estimate(
        self, operator: Operator, inputs: tf.Tensor, posterior: Posterior, noise: Noise
    ) -> Estimate:
        """Outputs with one perturbation and per-example signs; no score."""
        mean = operator(inputs, posterior.mean)
        signs_in = noise.signs(operator.sign_shape(inputs), _INPUT_SIGNS, per_example=True)
        signs_out = noise.signs(operator.sign_shape(mean), _OUTPUT_SIGNS, per_example=True)
        flipped = inputs * tf.cast(signs_in, inputs.dtype)
        perturbed = operator(flipped, posterior.perturbation(noise))
        return Estimate(mean + perturbed * tf.cast(signs_out, mean.dtype))
