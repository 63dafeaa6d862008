"""The plug-in estimator."""

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
class Mean(Estimator):
    """y = op(x, E_q[w]): no sampling. Biased for E_q[f] unless f is linear in the outputs.

    With `Point` posteriors it is the deterministic network, exactly.
    """

    stochastic = False

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """The mean; no score."""
        del noise, like
        return one_tensor(operator, posterior.mean)
