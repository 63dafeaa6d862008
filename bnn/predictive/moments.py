"""Means and variances of a network's outputs in one pass, without weight samples.

Every unit has a mean m and a variance v; units count as independent of each other (the diagonal
approximation), and as normal where they enter an activation. For weights with independent elements
of means M and variances V, independent of the inputs (as assumed density filtering,
Hernández-Lobato & Adams 2015, and deterministic variational inference, Wu et al. 2019),

    E[op(x, w)] = op(m, M)        Var[op(x, w)] = op(m² + v, V) + op(v, M²).

Exact are the mean and variance of two layers with normal weights and any activation between them,
where the first is dense: its outputs are normal, and independent of each other. Deeper layers, and
convolutions, whose outputs at neighbouring places share weights, are approximate: dependence and
departures from the normal are not carried on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn import layers, operators
from bnn.layers.affine_layer import AffineLayer
from bnn.noise import Noise, Purpose
from bnn.prediction.inputs import leaves
from bnn.predictive.activations import moments_of_activation, serves


class Moments(NamedTuple):
    """Mean and variance of every output, `[B, …]` each, float32."""

    mean: tf.Tensor
    variance: tf.Tensor


Rule = Callable[[Any, Any], Moments]


def propagate(model: keras.Model, inputs: Any) -> Moments:
    """Mean and variance of the model's outputs over the posterior, in the diagonal approximation.

    Layers that are served: `bnn.layers` and `keras.layers` Dense, Conv1D, Conv2D, Conv3D; Keras's
    Activation and ReLU, Flatten, Reshape, Dropout and its kind (at inference), average pooling,
    BatchNormalization, Rescaling, Normalization; Add and Concatenate, of branches that count as
    independent. Activations: linear, relu, tanh, sigmoid, gelu, silu, softplus, elu.

    Args:
      model: built, `Sequential` or functional with every layer called once.
      inputs: array or tensor `[B, …]` of one input.

    Raises:
      ValueError: layers that are not served, all of them by name; or weights that depend on each
        other.
    """
    require_served(model)
    x = tf.cast(tf.convert_to_tensor(inputs), tf.float32)
    return _through(model, Moments(x, tf.zeros_like(x)))


def require_served(model: keras.Model) -> None:
    """ValueError that names all layers without a rule."""
    faults = list(_faults(model))
    if faults:
        raise ValueError(
            f"moments cannot pass {len(faults)} of the layers of model {model.name!r}: "
            f"{'; '.join(faults)}. Use weight samples: method='samples'."
        )


def _faults(model: keras.Model) -> Any:
    if not isinstance(model, keras.Sequential) and not getattr(model, "inputs", None):
        yield f"{model.name} ({type(model).__name__}, subclassed)"
        return
    if not isinstance(model, keras.Sequential):
        known = {id(x) for x in model.inputs}
        if len(known) > 1:
            yield f"{model.name} (several inputs)"
        for layer in model.layers:
            # A layer that is called again keeps the tensors of its first call alone.
            known |= {id(x) for x in keras.tree.flatten(layer.output)}
            given = {id(x) for x in keras.tree.flatten(layer.input)}
            if not given <= known:
                yield f"{layer.name} (after an operation that is no layer, or a repeated layer)"
        if len(model.outputs) > 1 or id(model.outputs[0]) not in known:
            yield f"{model.name} (its output is not that of one layer that is called once)"
    for layer in model.layers:
        if isinstance(layer, keras.Sequential) and isinstance(model, keras.Sequential):
            yield from _faults(layer)
        elif type(layer) not in _RULES:
            yield f"{layer.name} ({type(layer).__module__.split('.')[0]} {type(layer).__name__})"
        else:
            fault = _fault_of(layer)
            if fault:
                yield f"{layer.name} ({fault})"


def _fault_of(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    if activation is not None and not serves(activation):
        return f"activation {getattr(activation, '__name__', activation)}"
    for site in getattr(layer, "sites", ()):
        if not (site.posterior.factorized or site.posterior.deterministic):
            return f"{site.name} of {type(site.posterior).__name__}, whose weights depend"
    if isinstance(layer, keras.layers.ReLU) and (
        layer.max_value is not None or layer.negative_slope or layer.threshold
    ):
        return "ReLU with max_value, negative_slope or threshold"
    if getattr(layer, "padding", "valid") != "valid" and type(layer) in _POOLING:
        return "average pooling with padding"
    return ""


def _through(model: Any, given: Moments) -> Moments:
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            is_model = isinstance(layer, keras.Sequential)
            given = _through(layer, given) if is_model else _RULES[type(layer)](layer, given)
        return given
    known = {id(model.inputs[0]): given}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        parts = keras.tree.map_structure(lambda x: _Held(known[id(x)]), layer.input)
        several = isinstance(parts, (list, tuple))
        value = [part.moments for part in parts] if several else parts.moments
        known[id(layer.output)] = _RULES[type(layer)](layer, value)
    return known[id(model.outputs[0])]


class _Held:
    """Moments as one leaf: a named tuple is a structure of its own."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments


def _affine(layer: AffineLayer, given: Moments) -> Moments:
    return _activated(layer.activation, _linear(layer.kernel, layer.bias, given))


def _linear(kernel: Any, bias: Any, given: Moments) -> Moments:
    operator, weights = kernel.operator, kernel.posterior
    mean = operator(given.mean, weights.mean)
    variance = operator(given.variance, tf.square(weights.mean))
    if not weights.deterministic:
        variance += operator(tf.square(given.mean) + given.variance, weights.variance)
    if bias is not None:
        mean = bias.operator(given.mean, bias.posterior.mean) + mean
        if not bias.posterior.deterministic:
            variance = bias.operator(given.mean, bias.posterior.variance) + variance
    return Moments(mean, variance)


def _keras_affine(layer: Any, given: Moments) -> Moments:
    if isinstance(layer, keras.layers.Dense):
        operator: Any = operators.Dense()
    else:
        operator = operators.Convolution(
            strides=layer.strides,
            padding="valid" if layer.padding == "causal" else layer.padding,
            data_format=layer.data_format,
            dilation_rate=layer.dilation_rate,
            causal=layer.padding == "causal",
            groups=layer.groups,
        )
    kernel = tf.convert_to_tensor(layer.kernel)
    mean = operator(given.mean, kernel)
    if layer.use_bias:
        bias = operators.Bias(getattr(layer, "data_format", "channels_last"))
        mean += bias(given.mean, tf.convert_to_tensor(layer.bias))
    variance = operator(given.variance, tf.square(kernel))
    return _activated(layer.activation, Moments(mean, variance))


def _activated(activation: Any, given: Moments) -> Moments:
    return Moments(*moments_of_activation(activation, given.mean, given.variance))


def _same(layer: Any, given: Moments) -> Moments:
    """Nothing happens at inference."""
    return given


def _moved(layer: Any, given: Moments) -> Moments:
    """Elements change their place."""
    return Moments(*(tf.convert_to_tensor(layer(part)) for part in given))


def _pooled(layer: Any, given: Moments) -> Moments:
    """A mean of n independent elements has the mean of their variances over n."""
    mean, variance = (tf.convert_to_tensor(layer(part)) for part in given)
    count = tf.size(given.mean, tf.float32) / tf.size(mean, tf.float32)
    if hasattr(layer, "pool_size"):  # windows may leave a rest, or overlap
        count = tf.constant(float(math.prod(layer.pool_size)))
    return Moments(mean, variance / count)


def _scaled(layer: Any, given: Moments) -> Moments:
    """Y = a x + c, element by element."""
    ones = tf.ones_like(given.mean[:1])
    slope = tf.convert_to_tensor(layer(ones)) - tf.convert_to_tensor(layer(tf.zeros_like(ones)))
    return Moments(tf.convert_to_tensor(layer(given.mean)), tf.square(slope) * given.variance)


def _added(layer: Any, given: list[Moments]) -> Moments:
    return Moments(*(tf.add_n(list(parts)) for parts in zip(*given, strict=True)))


def _joined(layer: Any, given: list[Moments]) -> Moments:
    return Moments(*(tf.concat(parts, layer.axis) for parts in zip(*given, strict=True)))


K = keras.layers
_POOLING = (
    K.AveragePooling1D,
    K.AveragePooling2D,
    K.AveragePooling3D,
    K.GlobalAveragePooling1D,
    K.GlobalAveragePooling2D,
    K.GlobalAveragePooling3D,
)
_INACTIVE = (K.Dropout, K.SpatialDropout1D, K.SpatialDropout2D, K.GaussianNoise, K.GaussianDropout)
_RULES: dict[type, Rule] = {
    **dict.fromkeys((layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D), _affine),
    **dict.fromkeys((K.Dense, K.Conv1D, K.Conv2D, K.Conv3D), _keras_affine),
    **dict.fromkeys(_POOLING, _pooled),
    **dict.fromkeys((*_INACTIVE, K.InputLayer, K.Identity, K.ActivityRegularization), _same),
    **dict.fromkeys((K.Flatten, K.Reshape, K.Permute), _moved),
    **dict.fromkeys((K.BatchNormalization, K.Rescaling, K.Normalization), _scaled),
    K.Activation: lambda layer, given: _activated(layer.activation, given),
    K.ReLU: lambda layer, given: _activated(keras.activations.relu, given),
    K.Add: _added,
    K.Concatenate: _joined,
}


def sampled_outputs(model: keras.Model, rows: Any, num_samples: int, seed: Any) -> tf.Tensor:
    """Outputs `[S, B, K]` of a block of inputs: mean + √variance ε, normal.

    ε `[S, 1, K]` is the same for all inputs, so that what is said of one does not depend on the
    others. Not samples of functions: outputs of two inputs are no two values of one.

    Args:
      model: of layers that `require_served` has let pass.
      rows: one input `[B, …]`.
      num_samples: S.
      seed: of ε.
    """
    [x] = (tf.cast(leaf, tf.float32) for leaf in leaves(rows))
    mean, variance = _through(model, Moments(x, tf.zeros_like(x)))
    shape = (num_samples, 1, *mean.shape[1:])
    normals = Noise(seed, purpose=Purpose.PREDICTION).normal(shape)
    return mean + tf.sqrt(variance) * normals
