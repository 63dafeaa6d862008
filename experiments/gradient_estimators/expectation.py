"""Gradients of E_q[f(w)] for q = N(μ, σ²) over D independent weights, through bnn's own parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import bnn
from bnn.estimators import Baseline, Estimator
from bnn.objectives import surrogate


@dataclasses.dataclass(frozen=True)
class Sampled:
    """What S draws gave: f and the parts of the score term, `[S]` each."""

    values: tf.Tensor
    scores: tf.Tensor
    log_weights: tf.Tensor
    score_norms: tf.Tensor

    def surrogate(self, baseline: Baseline) -> tf.Tensor:
        """`bnn.objectives.surrogate`: the value of the mean of f, with its gradient."""
        return surrogate(self.values, self.scores, self.log_weights, baseline, self.score_norms)


class Differentiated(NamedTuple):
    """What S draws gave, and its gradients in μ."""

    sampled: Sampled  # f and the parts of the score term
    of_values: tf.Tensor  # ∂fₛ/∂μ, `[S, D]`
    of_scores: tf.Tensor  # ∂ log q(wₛ)/∂μ, `[S, D]`

    def gradient(self, baseline: Baseline) -> tf.Tensor:
        """The surrogate's gradient in μ, `[D]`, by the chain rule through fₛ and scoreₛ."""
        parts = [self.sampled.values, self.sampled.scores]
        with tf.GradientTape() as tape:
            tape.watch(parts)
            loss = self.sampled.surrogate(baseline)
        of_values, of_scores = tape.gradient(loss, parts)
        rows = tf.stack([of_values, of_scores])[:, tf.newaxis]
        both = tf.matmul(rows, tf.stack([self.of_values, self.of_scores]))
        return tf.reduce_sum(both, axis=[0, 1])


class NormalWeights:
    """D weights N(μ, softplus(ρ)²), as a layer without bias on the input 1.

    Args:
      num_weights: D.
      f: function of the weights `[D]` to a scalar.
    """

    def __init__(self, num_weights: int, f: Callable[[tf.Tensor], tf.Tensor]) -> None:
        self._f = f
        posterior = bnn.posteriors.MeanFieldNormal(1.0, bnn.posteriors.Softplus())
        self._layer = bnn.layers.Dense(num_weights, use_bias=False, kernel_posterior=posterior)
        self._layer.build((None, 1))
        # The tf.Variables: a Keras variable without a gradient cannot be asked for zeros.
        self.variables = [v.value for v in self._layer.trainable_variables]

    def assign(self, loc: float, scale: float) -> None:
        """Gives all weights the same mean and standard deviation."""
        values = (loc, np.log(np.expm1(scale)))
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(tf.fill(variable.shape, np.float32(value)))

    def sample(
        self,
        estimator: Estimator,
        num_samples: int,
        seed: Any,
        step: Any,
        antithetic: bool = False,
    ) -> Sampled:
        """Evaluates f in S draws."""
        draws, values = [], []
        for sample in range(num_samples):
            draw = bnn.Draw(seed, estimator, step=step, sample=sample, antithetic=antithetic)
            with draw:
                weights = self._layer(tf.ones([1, 1]))
            draws.append(draw)
            values.append(self._f(weights[0]))
        return Sampled(
            tf.stack(values),
            *(
                tf.stack([getattr(draw, name) for draw in draws])
                for name in ("score", "log_weight", "score_norm")
            ),
        )

    def differentiate(
        self, estimator: Estimator, num_samples: int, seed: Any, step: Any
    ) -> Differentiated:
        """`sample` as a loop over the draws, which compiles once for all of them."""
        loc = self.variables[0]

        def one(sample: tf.Tensor) -> tuple[tf.Tensor, ...]:
            with tf.GradientTape(persistent=True) as tape:
                with bnn.Draw(seed, estimator, step=step, sample=sample) as draw:
                    weights = self._layer(tf.ones([1, 1]))
                value, score = self._f(weights[0]), draw.score
            gradients = [
                tf.reshape(tape.gradient(y, loc, unconnected_gradients="zero"), [-1])
                for y in (value, score)
            ]
            return value, score, draw.log_weight, draw.score_norm, *gradients

        scalar, vector = tf.TensorSpec([]), tf.TensorSpec([loc.shape[-1]])
        parts = tf.map_fn(
            one, tf.range(num_samples), fn_output_signature=(*[scalar] * 4, vector, vector)
        )
        return Differentiated(Sampled(*parts[:4]), *parts[4:])
