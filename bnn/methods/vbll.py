"""Variational Bayesian last layers, without samples in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import spare_from_weight_decay
from bnn.data import Batch
from bnn.draw import Draw
from bnn.estimators import Mean
from bnn.ledger import ledger
from bnn.methods.counted import Counted, penalised
from bnn.methods.curvature.weights import LAST, Weights
from bnn.methods.expected import expected_log_prob, require_expected
from bnn.methods.last_layer import LastLayer
from bnn.methods.map import MAP
from bnn.methods.problem import Problem
from bnn.noise import Noise, Purpose
from bnn.objectives.checks import require_tracked
from bnn.prediction import Functions, StoredWeights
from bnn.prediction.functions import check_num_samples
from bnn.training import Info


@gin.register(module="bnn.methods")
class VBLL(Counted, MAP):
    """φ ← optimizer(∇ L), L = −(1/B) Σ_b E_q[log p(y_b | Wᵀφ_b)] + [KL(q ‖ p) − log p(θ)] / N.

    Variational Bayesian last layers (Harrison, Willes & Snoek 2024, section 3). θ are the weights
    of all layers but the last, at a point; the last layer's weights of output c, the bias among
    them, have q(w_c) = N(m_c, L_c L_cᵀ) with a dense lower triangle, so that outputs are normal,

        f_c ~ N(m_cᵀ φ̃, |L_cᵀ φ̃|²),  φ̃ = (φ, 1),

    and the expectation is in closed form: exact for `Normal`, a bound for `Categorical`, see
    `expected_log_prob`. One forward pass a step. p is the layer's own prior, normal; the noise of
    regressions is the likelihood's, at a point where it learns it, in place of the paper's
    inverse Wishart.

    Runs build the model with `Point` posteriors, whatever it asks for. Memory: C P² / 2 numbers.

    Args:
      initial_scale: of the last layer's weights at the start, L = scale · 1.
    """

    point_weights = True

    def __init__(self, initial_scale: float = 0.1) -> None:
        if not 0 < initial_scale < math.inf:
            raise ValueError(
                f"initial_scale must be positive, got {initial_scale!r}; 0.1 is usual."
            )
        self.initial_scale = float(initial_scale)

    def build(self, problem: Problem) -> None:
        """Creates L.

        Raises:
          ValueError: a model that does not end with a linear dense layer of `bnn.layers` under a
            normal prior, a likelihood without a formula.
        """
        require_expected(problem.likelihood)
        self._last = LastLayer(problem.model, type(self).__name__, replaced=True)
        self.weights = Weights(problem.model, LAST)
        self.weights.prior_precision()  # raises for weights without a prior
        count, size = self._last.num_outputs, self._last.size
        self._lower = keras.Variable(np.zeros((count, size, size), np.float32), name="vbll_lower")
        log_scale = np.full((count, size), math.log(self.initial_scale), np.float32)
        self._log_diagonal = keras.Variable(log_scale, name="vbll_log_diagonal")
        spare_from_weight_decay([self._lower, self._log_diagonal])
        super().build(problem)

    def _by_output(self, vector: tf.Tensor) -> tf.Tensor:
        """One number a weight, kernel and bias, as `[C, P]`."""
        parts = [tf.reshape(v, [-1, self._last.num_outputs]) for v in self.weights.split(vector)]
        return tf.transpose(tf.concat(parts, 0))

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The problem's own, and L."""
        return [*self.problem.trained, self._lower, self._log_diagonal]

    def scale(self) -> tf.Tensor:
        """L, `[C, P, P]`."""
        lower = tf.convert_to_tensor(self._lower.value)
        strict = lower - tf.linalg.band_part(lower, 0, -1)
        return tf.linalg.set_diag(strict, tf.exp(self._log_diagonal.value))

    def moments(self, inputs: Any, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and variance of the outputs, `[B, C]` each, observation noise left out."""
        features = self._last.features(inputs, training=training)
        extended = self._last.extended(features)
        spread = tf.einsum("bp,cpq->bcq", extended, self.scale())
        mean = tf.cast(self._last.layer(features), tf.float32)
        return mean, tf.reduce_sum(tf.square(spread), -1)

    def kl(self) -> tf.Tensor:
        """What q adds to −log p at its mean: Σ_c ½ tr(S_c δ) − H[q_c], nats."""
        squares = tf.reduce_sum(tf.square(self.scale()), -1)  # the diagonal of S
        entropy = 0.5 * math.log(2 * math.pi * math.e) + self._log_diagonal.value
        # Of now: the scale of a `FunctionSpaceNormal` may have been matched since.
        precision = tf.cast(self._by_output(self.weights.prior_precision()), tf.float32)
        return tf.reduce_sum(0.5 * squares * precision - entropy)

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The objective and its terms: nll (nats per example), penalty and kl/<site> (nats).

        `kl/<site>` are −log p at the mean, and `kl/spread` what the last layer's spread adds; the
        penalty is their sum.
        """
        problem = self.problem
        with Draw(noise, Mean()) as draw:  # layers are trained inside of a draw alone
            mean, variance = self.moments(batch.inputs, training)
        require_tracked(problem.model, draw)
        fits = expected_log_prob(problem.likelihood, mean, variance, batch.targets)
        terms = {f"kl/{n}": v for n, v in ledger(problem.model, noise=noise).items()}
        terms["kl/spread"] = self.kl()
        return penalised(problem, fits, batch, terms)

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """Draws of the last layer's weights.

        Args:
          num_samples: S.
          seed: int or scalar integer tensor.
        """
        count, size = self._last.num_outputs, self._last.size
        noise = Noise(seed, purpose=Purpose.PREDICTION)
        normal = noise.normal((check_num_samples(num_samples), count, size))
        moved = tf.einsum("cpq,scq->spc", self.scale(), normal)  # [S, P, C]
        ends = np.cumsum([0, *(t.size // count for t in self.weights.tensors)])
        values = [
            tf.convert_to_tensor(t.variable.value)
            + tf.reshape(moved[:, a:b], (-1, *t.variable.shape))
            for t, a, b in zip(self.weights.tensors, ends[:-1], ends[1:], strict=True)
        ]
        return StoredWeights(self.weights.variables, values)

    def describe(self) -> dict[str, Any]:
        """Name, number of random weights, and the cost."""
        about = {"method": type(self).__name__, "posterior": "normal of the last layer"}
        if not hasattr(self, "problem"):
            return about
        return {**about, "random_weights": self.weights.size, **self.cost()}

    @property
    def variables(self) -> list[keras.Variable]:
        """L, and the number of gradients."""
        return [self._lower, self._log_diagonal, *super().variables]
