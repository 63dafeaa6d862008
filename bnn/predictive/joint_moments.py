"""Mean and covariance of a dense network's outputs in one pass, all units together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from bnn import layers
from bnn.predictive.activation_covariance import covariance_of_activation, serves_covariance
from bnn.predictive.moments import Correlated, require_served

_DENSE = (keras.layers.Dense, layers.Dense)
_ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU)
_INACTIVE = (
    keras.layers.InputLayer,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
)


def propagate_joint(model: keras.Model, inputs: Any) -> Correlated:
    """Mean `[B, K]` and covariance `[B, K, K]` of the outputs, the units of a layer all together.

    Deterministic variational inference with the full covariance (Wu et al. 2019, section 3 and
    equation 7): for a of mean m and covariance C and weights with independent elements of means M
    and variances V,

        E[a W + b] = m M + β
        Cov[(a W + b)_j, (a W + b)_k] = Σ_il M_ij C_il M_lk + δ_jk [Σ_i (m_i² + C_ii) V_ij + ν_j],

    exact for any a; units that enter an activation count as jointly normal, and its covariance is
    that of `covariance_of_activation`, in place of the paper's fit of asymptotes. So mean and
    covariance are exact for two random layers with an activation between them, whatever stands
    before as long as its outputs are normal; deeper, only what departs from the normal is left out.

    Work and memory: B n² numbers a layer of n units, and 16 exponentials of each for ReLU.

    Args:
      model: built, of dense layers one after the other; see `require_joint`.
      inputs: array or tensor `[B, …]`.

    Raises:
      ValueError: layers that are not served, by name.
    """
    require_joint(model)
    mean = tf.cast(tf.convert_to_tensor(inputs), tf.float32)
    covariance: tf.Tensor | None = None
    for layer in _in_turn(model):
        if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
            mean = layer(mean)
        elif isinstance(layer, _DENSE):
            mean, covariance = _dense(layer, mean, covariance)
        activation = _activation(layer)
        if activation is None:
            continue
        if covariance is None:
            mean = tf.convert_to_tensor(activation(mean))
        else:
            mean, covariance = covariance_of_activation(activation, mean, covariance)
    if covariance is None:
        covariance = tf.linalg.diag(tf.zeros_like(mean))
    return Correlated(mean, covariance)


def require_joint(model: keras.Model) -> None:
    """ValueError that names the layers whose covariance has no rule."""
    require_served(model)
    faults = []
    if not isinstance(model, keras.Sequential):
        faults.append(f"{model.name} ({type(model).__name__}, not Sequential)")
    random = False
    for layer in _in_turn(model):
        moves = isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape))
        if moves and random:
            faults.append(f"{layer.name} ({type(layer).__name__} behind a dense layer)")
        elif not moves and not isinstance(layer, (*_DENSE, *_ACTIVATIONS, *_INACTIVE)):
            faults.append(f"{layer.name} ({type(layer).__name__})")
        activation = _activation(layer)
        if activation is not None and not serves_covariance(activation):
            faults.append(
                f"{layer.name} (activation {getattr(activation, '__name__', activation)})"
            )
        random = random or isinstance(layer, _DENSE)
        if isinstance(layer, _DENSE) and len(layer.input.shape) != 2:
            faults.append(f"{layer.name} (inputs of shape {tuple(layer.input.shape)}, not [B, n])")
    if faults:
        raise ValueError(
            f"full covariances pass dense layers one after the other, and {len(faults)} of the "
            f"layers of model {model.name!r} are others: {'; '.join(faults)}. Use the diagonal, "
            'covariance="diagonal".'
        )


def _in_turn(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Sequential):
            yield from _in_turn(layer)
        else:
            yield layer


def _activation(layer: Any) -> Any:
    if isinstance(layer, keras.layers.ReLU):
        return keras.activations.relu
    return getattr(layer, "activation", None)


def _dense(
    layer: Any, mean: tf.Tensor, covariance: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """The docstring's equations."""
    kernel, spread = _moments(layer.kernel)
    carried = None if covariance is None else _between(kernel, covariance)
    squares = tf.square(mean)
    if covariance is not None:
        squares += tf.linalg.diag_part(covariance)
    mean = tf.matmul(mean, kernel)
    own = tf.zeros_like(mean) if spread is None else tf.matmul(squares, spread)
    if layer.use_bias:
        bias, spread = _moments(layer.bias)
        mean += bias
        own = own if spread is None else own + spread
    return mean, tf.linalg.diag(own) if carried is None else carried + tf.linalg.diag(own)


def _between(kernel: tf.Tensor, covariance: tf.Tensor) -> tf.Tensor:
    """Mᵀ C M."""
    half = tf.matmul(covariance, kernel)  # [B, i, k]
    return tf.einsum("ij,bik->bjk", kernel, half)


def _moments(weights: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Mean and variance of a site or a Keras variable, `[…]`; None for no variance."""
    posterior = getattr(weights, "posterior", None)
    if posterior is None:
        return tf.convert_to_tensor(weights.value), None
    return posterior.mean, None if posterior.deterministic else posterior.variance
