"""A small Bayesian network that is trained anew on ever more labels, by one compiled call."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical


class Settings(NamedTuple):
    """Of a network and its training.

    Attributes:
      units: of the hidden layer.
      prior_gain: g of the prior N(0, g²/fan_in) of every weight.
      steps: of Adam, on all labels at once, with a mask for every one.
    """

    units: int
    prior_gain: float
    steps: int


_RATE = 0.01
_DROPPED = 0.25


class Learner:
    """Network with one hidden layer and dropout as its posterior; the whole KL.

    All trainings of a seed start at the same weights. Rows are padded to `most` with weight 0, so
    that every number of labels is served by one compiled function.

    Args:
      shape: of one input.
      num_classes: of the labels.
      most: labels at the end.
      settings: sizes.
    """

    def __init__(
        self, shape: tuple[int, ...], num_classes: int, most: int, settings: Settings
    ) -> None:
        prior = bnn.priors.FanInNormal(settings.prior_gain)
        self.model = bnn.models.mlp(
            shape,
            num_classes,
            hidden=(settings.units,),
            kernel_posterior=bnn.posteriors.MCDropout(_DROPPED),
            bias_posterior=bnn.posteriors.Point(),
            kernel_prior=prior,
            bias_prior=prior,
        )
        self.likelihood = Categorical()
        self._most, self._steps, self._seed = most, settings.steps, 0
        self._optimizer = keras.optimizers.Adam(_RATE)
        self._optimizer.build(self.model.trainable_variables)
        self._variables = [*self.model.trainable_variables, *self._optimizer.variables]
        self._start = [variable.numpy() for variable in self._variables]
        self._train = tf.function(self._all_steps, jit_compile=True, autograph=False)

    def begin(self, seed: int) -> None:
        """Draws the initial weights of a seed by He's rule; it is that of the noise, too."""
        random, self._seed = np.random.default_rng(seed), seed
        for place, variable in enumerate(self.model.trainable_variables):
            spread = np.sqrt(2 / variable.shape[0]) if len(variable.shape) > 1 else 0.0
            self._start[place] = np.float32(spread * random.normal(size=variable.shape))

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """Trains from the start on these labels.

        Args:
          x: `[n, …]`, n at most `most`.
          y: `[n]`.
        """
        for variable, value in zip(self._variables, self._start, strict=True):
            variable.assign(value)
        rows = np.resize(np.arange(len(x)), self._most)
        weights = np.where(np.arange(self._most) < len(x), self._most / len(x), 0.0)
        count = tf.constant(len(x), tf.float32)
        given = tf.constant(x[rows]), tf.constant(y[rows]), tf.constant(weights, tf.float32)
        self._train(*given, count, tf.constant(self._seed))

    def predictive(self, x: np.ndarray, num_samples: int) -> Any:
        """What it says of inputs."""
        return bnn.predictive(self.model, self.likelihood, x, num_samples, seed=self._seed)

    def log_probs(self, x: np.ndarray, num_samples: int) -> np.ndarray:
        """Of every function, `[S, N, C]`."""
        outputs = bnn.predict(self.model, x, num_samples, seed=self._seed)
        return np.asarray(self.likelihood.log_probs(outputs))

    def _all_steps(
        self, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor, count: tf.Tensor, seed: tf.Tensor
    ) -> Any:
        objective = bnn.objectives.NegativeELBO(self.likelihood, count)
        estimator = bnn.estimators.LocalReparameterization()
        variables = self.model.trainable_variables

        def step(number: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                terms = objective(
                    *(self.model, x, y),
                    estimator=estimator,
                    seed=seed,
                    step=number,
                    weights=weights,
                )
            self._optimizer.apply(tape.gradient(terms.loss, variables), variables)
            return [number + 1]

        return tf.while_loop(lambda number: number < self._steps, step, [tf.constant(0)])
