"""The curvature of a likelihood in the model's outputs, as a factor: Λ = R Rᵀ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bnn.likelihoods import (
    Bernoulli,
    Categorical,
    HeteroscedasticNormal,
    Likelihood,
    Normal,
    Poisson,
    SoftCategorical,
)


def output_factor(likelihood: Likelihood, outputs: tf.Tensor) -> tf.Tensor:
    """R `[B, C, K]` with R Rᵀ = E_y[−∂² log p(y | f) / ∂f²] at f = outputs `[B, C]`.

    The expectation under the model's own p(y | f), the Fisher information in the outputs; where f
    are natural parameters (all but `HeteroscedasticNormal`) it is the Hessian itself, whatever y
    is (Martens 2020, section 9.2).

    Raises:
      ValueError: a likelihood without a formula here; the message has those with one.
    """
    return _FACTORS[served(likelihood)](likelihood, outputs)


def served(likelihood: Likelihood, method: str = "Laplace") -> type:
    """The likelihood's class, where there is a formula for it; ValueError elsewhere."""
    if type(likelihood) not in _FACTORS:
        names = ", ".join(sorted(kind.__name__ for kind in _FACTORS))
        raise ValueError(
            f"{method} needs a likelihood whose curvature in the outputs is known and positive, "
            f"got {type(likelihood).__name__}; there are formulas for {names}. For others take "
            "another method, such as MAP or VariationalInference."
        )
    return type(likelihood)


def _normal(likelihood: Any, outputs: tf.Tensor) -> tf.Tensor:
    """1/τ_d on the diagonal."""
    scale = likelihood.parameters(outputs)[1]
    return tf.linalg.diag(tf.ones_like(outputs) / scale)


def _heteroscedastic(likelihood: Any, outputs: tf.Tensor) -> tf.Tensor:
    """1/s in the means, √2 s′/s in the raw scales, s = softplus(r) + min."""
    _, scale = likelihood.parameters(outputs)
    slope = tf.sigmoid(tf.split(outputs, 2, axis=-1)[1])
    return tf.linalg.diag(tf.concat([1 / scale, 2**0.5 * slope / scale], axis=-1))


def _categorical(likelihood: Any, outputs: tf.Tensor) -> tf.Tensor:
    """diag(p) − p pᵀ = R Rᵀ with R = diag(√p) − p √pᵀ, for Σ p = 1."""
    del likelihood
    p = tf.nn.softmax(outputs)
    root = tf.sqrt(p)
    return tf.linalg.diag(root) - p[:, :, tf.newaxis] * root[:, tf.newaxis, :]


def _bernoulli(likelihood: Any, outputs: tf.Tensor) -> tf.Tensor:
    """√(σ (1 − σ)) on the diagonal."""
    return tf.linalg.diag(tf.sqrt(likelihood.variance(outputs)))


def _poisson(likelihood: Any, outputs: tf.Tensor) -> tf.Tensor:
    """√λ on the diagonal, the outputs being ln λ."""
    del likelihood
    return tf.linalg.diag(tf.exp(0.5 * outputs))


_FACTORS: dict[type, Callable[[Any, tf.Tensor], tf.Tensor]] = {
    Bernoulli: _bernoulli,
    Categorical: _categorical,
    HeteroscedasticNormal: _heteroscedastic,
    Normal: _normal,
    Poisson: _poisson,
    SoftCategorical: _categorical,
}
