"""Flipout: one weight perturbation, decorrelated across examples by random signs."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.estimators.estimator import Estimator, Realisation
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class Flipout(Estimator):
    """yₙ = op(xₙ, μ) + sₙ ∘ op(rₙ ∘ xₙ, Δ), Δ = w − μ, w ~ q (Wen et al. 2018, equation 4).

    r and s are independent random signs per example and input or output channel; the mean's term
    has none. For a factorised posterior symmetric about its mean each example's weights
    μ + Δ ∘ (r sᵀ) have distribution q, and two examples' perturbations are uncorrelated. Other
    terms of a posterior know their own signs (`bnn.posteriors.Term.flipped`). Positions of one
    example, and repeated calls, share one weight sample, as they should. The outputs of a batch are
    not one function of the inputs: joint predictions need coherent draws.
    """

    realises_weights = False
    couples_examples = False

    def unfit(self, posterior: Posterior) -> str | None:
        """Needs a mean plus terms: they know their signs."""
        if posterior.terms is None or not all(t.has_flipped_form for t in posterior.terms):
            return (
                "it needs a posterior whose elements are independent and symmetric about the mean, "
                "or one that is a mean plus terms with signs of their own"
            )
        return None

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """One perturbation and per-example signs; no score."""
        mean = posterior.mean
        perturbations = [
            term.flipped(operator, like, posterior.shape, noise.at(part=i))
            for i, term in enumerate(posterior.terms or ())
        ]

        def apply(inputs: tf.Tensor) -> tf.Tensor:
            _require_same_batch(inputs, like)
            outputs = operator(inputs, mean)
            for perturbation in perturbations:
                outputs = outputs + perturbation(inputs)
            return outputs

        return Realisation(apply)


def _require_same_batch(inputs: tf.Tensor, like: tf.Tensor) -> None:
    if not inputs.shape[:1].is_compatible_with(like.shape[:1]):
        raise ValueError(
            f"Flipout has signs for the {like.shape[0]} examples of a layer's first inputs in a "
            f"draw, and the layer is called again with {inputs.shape[0]}; call it with the same "
            "batch, or use Reparameterization."
        )
