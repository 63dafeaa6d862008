"""The local reparameterization trick: sample outputs, not weights."""

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
class LocalReparameterization(Estimator):
    """y = m + √v ε, m = op(x, μ), v = op(x², σ²), ε ~ N(0, 1) per output (Kingma et al. 2015).

    Exact for each output of a factorised normal posterior; other terms of a posterior have their
    own local form (`bnn.posteriors.Term.local`). Independent noise across examples makes the
    gradient's variance fall as 1/B. Limits: outputs at several positions that share weights
    (convolutions) are exact only marginally, their covariance is ignored but for that of low-rank
    factors and of factors by channel, which all positions of an example share; a layer that is
    called twice in a draw is refused, for both calls would need the same weights; and the outputs
    of a batch are not one function of the inputs, so joint predictions need coherent draws.
    """

    realises_weights = False
    couples_examples = False
    couples_positions = False

    def unfit(self, posterior: Posterior) -> str | None:
        """Needs a mean plus normal terms."""
        if posterior.terms is None or not all(term.has_local_form for term in posterior.terms):
            return (
                "it needs a posterior whose elements are independent and normal, or one that is a "
                "mean plus normal terms, or terms with a local form of their own"
            )
        return None

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """Per-example noise in the outputs; no score."""
        del like
        mean = posterior.mean

        def apply(inputs: tf.Tensor) -> tf.Tensor:
            first, *others = posterior.terms or (None,)
            if first is None:
                return operator(inputs, mean)
            outputs = first.local_with_mean(operator, inputs, mean, noise.at(part=0))
            for i, term in enumerate(others, 1):
                outputs = outputs + term.local(operator, inputs, noise.at(part=i))
            return outputs

        return Realisation(apply, reusable=False)
