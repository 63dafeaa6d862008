"""What a layer makes of the mean and variance of its inputs: a rule for every kind of layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn import layers, operators
from bnn.predictive.activations import increases, moments_of_maximum, serves
from bnn.predictive.paths import along
from bnn.predictive.units import Units, applied

Rule = Callable[[Any, Any], Units]
_MOST_OF_A_WINDOW = 64  # two by two, in as many steps


def _affine(layer: Any, given: Units) -> Units:
    return _linear(layer.kernel, layer.bias, given)._replace(waiting=layer.activation)


def _separable(layer: Any, given: Units) -> Units:
    given = _linear(layer.depthwise, None, given)
    return _linear(layer.pointwise, layer.bias, given)._replace(waiting=layer.activation)


def _linear(kernel: Any, bias: Any, given: Units) -> Units:
    operator, weights = kernel.operator, kernel.posterior
    said = _by_means(operator, weights.mean, given)
    parts = [] if said.variance is None else [said.variance]
    if not weights.deterministic:
        squares = tf.square(given.mean)
        squares = squares if given.variance is None else squares + given.variance
        parts.append(operator(squares, weights.variance))
    if bias is not None:
        row = given.mean[:1]  # what a bias gives is the same for every input
        said = said._replace(mean=said.mean + bias.operator(row, bias.posterior.mean))
        if not bias.posterior.deterministic:
            spread = bias.operator(row, bias.posterior.variance)
            parts.append(spread if parts else spread + tf.zeros_like(said.mean))
    total = None
    for part in parts:
        total = part if total is None else total + part
    return said._replace(variance=total)


def _by_means(operator: Any, means: tf.Tensor, given: Units) -> Units:
    """A linear map with known weights; what comes in counts as independent."""
    squares = tf.square(means)
    variance = None if given.variance is None else operator(given.variance, squares)
    path = carried = None
    if given.path is not None:
        path = along(operator, given.path, means)
        # Of a map without sources, or between two kernels of one layer, it is not all of it.
        whole = given.carried is given.variance
        carried = variance if whole else operator(given.carried, squares)
    return Units(operator(given.mean, means), variance, None, path, carried)


def _keras_affine(layer: Any, given: Units) -> Units:
    operator = operators.Dense() if isinstance(layer, K.Dense) else _keras_operator(layer)
    said = _by_means(operator, tf.convert_to_tensor(layer.kernel), given)
    if layer.use_bias:
        bias = operators.Bias(getattr(layer, "data_format", "channels_last"))
        said = said._replace(mean=said.mean + bias(given.mean, tf.convert_to_tensor(layer.bias)))
    return said._replace(waiting=layer.activation)


def _keras_operator(layer: Any) -> Any:
    causal = layer.padding == "causal"
    options = {
        "strides": layer.strides,
        "padding": "valid" if causal else layer.padding,
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
    }
    if isinstance(layer, (K.DepthwiseConv1D, K.DepthwiseConv2D)):
        return operators.DepthwiseConvolution(**options)
    return operators.Convolution(**options, causal=causal, groups=layer.groups)


def _same(layer: Any, given: Units) -> Units:
    """Nothing happens at inference."""
    return given


def _each(given: Units, change: Callable[[tf.Tensor], Any]) -> Units:
    changed = [
        None if x is None else tf.convert_to_tensor(change(x))
        for x in (given.mean, given.variance, given.path, given.carried)
    ]
    return Units(changed[0], changed[1], given.waiting, *changed[2:])


def _moved(layer: Any, given: Units) -> Units:
    """Elements change their place, or are repeated."""
    return _each(given, layer)


def _averaged(layer: Any, given: Units) -> Units:
    """A mean of n independent elements has the mean of their variances over n."""
    said = _each(given, layer)
    if hasattr(layer, "pool_size"):  # windows may leave a rest, or overlap
        count = math.prod(layer.pool_size)
    else:
        count = math.prod(given.mean.shape[1:]) // math.prod(said.mean.shape[1:])
    variance, carried = (None if x is None else x / count for x in (said.variance, said.carried))
    return said._replace(variance=variance, carried=carried)


def _largest(layer: Any, given: Units) -> Units:
    """See `moments_of_maximum`; before the activation that waits, where it never falls."""
    if given.waiting is not None and not increases(given.waiting):
        given = applied(given)
    if given.variance is None:
        return given._replace(mean=tf.convert_to_tensor(layer(given.mean)))
    shape = _Pool.of(layer)
    said = moments_of_maximum(
        given.mean,
        given.variance,
        lambda x: _windows(shape, x),  # kept for other layers alike: it must not hold this one
        shape,
        chances=given.path is not None,
    )
    path = carried = None
    if given.path is not None and given.carried is not None:
        path = tf.reduce_sum(said.chances * _windows(shape, given.path), axis=0)
        before = tf.square(said.chances) * _windows(shape, given.carried)
        carried = tf.reduce_sum(before, axis=0)
    return Units(said.mean, said.variance, given.waiting, path, carried)


class _Pool(NamedTuple):
    """What tells the windows of one layer from those of another."""

    size: tuple[int, ...] | None  # None: all places
    strides: tuple[int, ...] | None
    data_format: str
    keepdims: bool

    @classmethod
    def of(cls, layer: Any) -> _Pool:
        size, strides, keepdims = (
            getattr(layer, name, None) for name in ("pool_size", "strides", "keepdims")
        )
        return cls(
            size and tuple(size), strides and tuple(strides), layer.data_format, bool(keepdims)
        )


def _windows(pool: _Pool, x: tf.Tensor) -> tf.Tensor:
    """The elements of every window, `[n, B, …]`."""
    last = pool.data_format == "channels_last"
    axes = range(1, x.shape.rank - 1) if last else range(2, x.shape.rank)
    if pool.size is None or pool.strides is None:  # a global one
        flat = tf.transpose(x, [*axes, 0, x.shape.rank - 1 if last else 1])
        flat = tf.reshape(flat, [math.prod(x.shape[a] for a in axes), -1, flat.shape[-1]])
        return tf.reshape(flat, _kept(pool, flat, len(axes))) if pool.keepdims else flat
    parts = [x]
    for axis, size, stride in zip(axes, pool.size, pool.strides, strict=True):
        count = (x.shape[axis] - size) // stride + 1
        index = [slice(None)] * axis
        parts = [
            part[(*index, slice(i, i + (count - 1) * stride + 1, stride))]
            for part in parts
            for i in range(size)
        ]
    return tf.stack(parts)


def _kept(pool: _Pool, flat: tf.Tensor, rank: int) -> list[int]:
    ones = [1] * rank
    ends = [flat.shape[-1]]
    shape = ones + ends if pool.data_format == "channels_last" else ends + ones
    return [flat.shape[0], -1, *shape]


def _scaled(layer: Any, given: Units) -> Units:
    """Y = a x + c, element by element."""
    ones = tf.ones_like(given.mean[:1])
    slope = tf.convert_to_tensor(layer(ones)) - tf.convert_to_tensor(layer(tf.zeros_like(ones)))
    mean = tf.convert_to_tensor(layer(given.mean))
    path = None if given.path is None else slope * given.path
    variance, carried = (
        None if x is None else tf.square(slope) * x for x in (given.variance, given.carried)
    )
    return Units(mean, variance, None, path, carried)


def _activation(layer: Any, given: Units) -> Units:
    is_relu = isinstance(layer, K.ReLU)
    return given._replace(waiting=keras.activations.relu if is_relu else layer.activation)


def _weighted(weights: Callable[[int], list[float]]) -> Rule:
    """A sum of branches with weights."""

    def rule(layer: Any, given: list[Units]) -> Units:
        w = weights(len(given))

        def added(parts: list[tf.Tensor | None], factors: list[float]) -> Any:
            each = [a * x for a, x in zip(factors, parts, strict=True) if x is not None]
            return tf.add_n(each) if each else None

        squares = [a * a for a in w]
        return Units(
            added([x.mean for x in given], w),
            added([x.variance for x in given], squares),
            None,
            added([x.path for x in given], w),
            added([x.carried for x in given], squares),
        )

    return rule


def _joined(layer: Any, given: list[Units]) -> Units:
    def joined(parts: list[tf.Tensor | None]) -> tf.Tensor | None:
        if all(x is None for x in parts):
            return None
        known = [
            tf.zeros_like(units.mean) if x is None else x
            for x, units in zip(parts, given, strict=True)
        ]
        return tf.concat(known, layer.axis)

    mean, variance, path, carried = (
        joined([getattr(x, name) for x in given])
        for name in ("mean", "variance", "path", "carried")
    )
    assert mean is not None
    return Units(mean, variance, None, path, carried)


def fault_of(layer: Any) -> str:
    """What is in the way of a layer whose kind has a rule; empty where nothing is."""
    activation = getattr(layer, "activation", None)
    if activation is not None and not serves(activation):
        return f"activation {getattr(activation, '__name__', activation)}"
    for site in getattr(layer, "sites", ()):
        if not (site.posterior.factorized or site.posterior.deterministic):
            return f"{site.name} of {type(site.posterior).__name__}, whose weights depend"
    if isinstance(layer, K.ReLU) and (
        layer.max_value is not None or layer.negative_slope or layer.threshold
    ):
        return "ReLU with max_value, negative_slope or threshold"
    if isinstance(layer, layers.EinsumDense) and layer.axes.idle:
        return "an equation that sums inputs before the weights"
    if getattr(layer, "padding", "valid") != "valid" and type(layer) in (*_AVERAGE, *_MAXIMUM):
        return f"{'max' if type(layer) in _MAXIMUM else 'average'} pooling with padding"
    if type(layer) in _MAXIMUM and _window_size(layer) > _MOST_OF_A_WINDOW:
        return f"the largest of more than {_MOST_OF_A_WINDOW}, or of a number that is not fixed"
    if type(layer) in _SUMS and len({tuple(x.shape) for x in layer.input}) > 1:
        return "branches of different shapes"
    return ""


def _window_size(layer: Any) -> float:
    if hasattr(layer, "pool_size"):
        return math.prod(layer.pool_size)
    shape = layer.input.shape
    shape = shape[1:-1] if layer.data_format == "channels_last" else shape[2:]
    return math.inf if None in shape else math.prod(shape)


K, L = keras.layers, layers
_AVERAGE = (
    K.AveragePooling1D,
    K.AveragePooling2D,
    K.AveragePooling3D,
    K.GlobalAveragePooling1D,
    K.GlobalAveragePooling2D,
    K.GlobalAveragePooling3D,
)
_MAXIMUM = (
    K.MaxPooling1D,
    K.MaxPooling2D,
    K.MaxPooling3D,
    K.GlobalMaxPooling1D,
    K.GlobalMaxPooling2D,
    K.GlobalMaxPooling3D,
)
_INACTIVE = (
    K.Dropout,
    K.SpatialDropout1D,
    K.SpatialDropout2D,
    K.SpatialDropout3D,
    K.GaussianNoise,
    K.GaussianDropout,
    K.AlphaDropout,
    K.InputLayer,
    K.Identity,
    K.ActivityRegularization,
)
_PLACES = (
    K.Flatten,
    K.Reshape,
    K.Permute,
    K.RepeatVector,
    K.ZeroPadding1D,
    K.ZeroPadding2D,
    K.ZeroPadding3D,
    K.Cropping1D,
    K.Cropping2D,
    K.Cropping3D,
    K.UpSampling1D,
)
_AFFINE = (
    L.Dense,
    L.Conv1D,
    L.Conv2D,
    L.Conv3D,
    L.DepthwiseConv1D,
    L.DepthwiseConv2D,
    L.EinsumDense,
    L.Conv1DTranspose,
    L.Conv2DTranspose,
    L.Conv3DTranspose,
)
_KERAS_AFFINE = (K.Dense, K.Conv1D, K.Conv2D, K.Conv3D, K.DepthwiseConv1D, K.DepthwiseConv2D)
_SUMS: dict[type, Rule] = {
    K.Add: _weighted(lambda n: [1.0] * n),
    K.Subtract: _weighted(lambda n: [1.0, -1.0]),
    K.Average: _weighted(lambda n: [1.0 / n] * n),
}
# These see an activation that waits; all others what it gives.
BEFORE_ACTIVATION = frozenset((*_MAXIMUM, *_INACTIVE, K.Flatten, K.Reshape, K.Permute))
# Units that enter these meet in other units, and may be what those have in common.
MIXES = frozenset((*_AFFINE, *_KERAS_AFFINE, L.SeparableConv1D, L.SeparableConv2D))
RULES: dict[type, Rule] = {
    **dict.fromkeys(_AFFINE, _affine),
    **dict.fromkeys((L.SeparableConv1D, L.SeparableConv2D), _separable),
    **dict.fromkeys(_KERAS_AFFINE, _keras_affine),
    **dict.fromkeys(_AVERAGE, _averaged),
    **dict.fromkeys(_MAXIMUM, _largest),
    **dict.fromkeys(_INACTIVE, _same),
    **dict.fromkeys(_PLACES, _moved),
    **dict.fromkeys((K.BatchNormalization, K.Rescaling, K.Normalization), _scaled),
    **dict.fromkeys((K.Activation, K.ReLU), _activation),
    **_SUMS,
    K.Concatenate: _joined,
}
