"""The reparameterization trick in weight space."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.estimators.estimator import Estimator, Realisation, one_tensor
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class Reparameterization(Estimator):
    """y = op(x, w), w = g(ε, φ) ~ q: one weight sample for the whole batch.

    ∇_φ E_q[f(w)] = E_ε[∇_φ f(g(ε, φ))] (Kingma & Welling 2014; Rezende et al. 2014). The outputs
    of a batch are coherent: they come from one function, and are correlated across examples.
    """

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """One weight sample; no score."""
        del like
        return one_tensor(operator, posterior.sample(noise))
