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

The covariance of the outputs is carried on in the first order (`propagate_covariance`): what a
unit's variance has that no earlier unit has, is a source s of its own, and with J the outputs'
derivatives in the sources along the means,

    Cov[z] = J diag(Var s) Jᵀ.

Of a dense layer with independent inputs that is exact: Σᵢ M_ij M_ik vᵢ off the diagonal.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn.prediction.identity import Identity
from bnn.predictive.moment_rules import BEFORE_ACTIVATION, MIXES, RULES, fault_of
from bnn.predictive.units import Sources, Units, applied, sourced

_CACHE: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_FEW = 4  # outputs of which sums are quicker than matrices
_MOST_OUTPUTS = 100  # of a covariance: a backward pass each


class Moments(NamedTuple):
    """Mean and variance of every output, `[B, …]` each, float32."""

    mean: tf.Tensor
    variance: tf.Tensor


class Correlated(NamedTuple):
    """Mean `[B, K]` and covariance `[B, K, K]` of the outputs, float32."""

    mean: tf.Tensor
    covariance: tf.Tensor


class Leading(NamedTuple):
    """Mean of all outputs, and the covariance of those with the largest means, float32.

    Attributes:
      mean: `[B, K]`.
      chosen: which outputs these m are, from the largest on, a row of 0 and one 1 each:
        `[B, m, K]`.
      others: the same of those that follow, and count as independent.
      block: the covariance of the chosen, `[B, m, m]`.
      variance: of every output by itself, `[B, K]`, right for the others.
    """

    mean: tf.Tensor
    chosen: tf.Tensor
    others: tf.Tensor
    block: tf.Tensor
    variance: tf.Tensor


def propagate(model: keras.Model, inputs: Any) -> Moments:
    """Mean and variance of the model's outputs over the posterior, in the diagonal approximation.

    Layers that are served: `bnn.layers` and `keras.layers` Dense, Conv1D, Conv2D, Conv3D,
    DepthwiseConv1D and DepthwiseConv2D; of bnn SeparableConv, ConvTranspose and EinsumDense, too;
    Keras's Activation and ReLU, Flatten, Reshape and others that move elements, Dropout and its
    kind (at inference), average and max pooling without padding, BatchNormalization, Rescaling,
    Normalization; Add, Subtract, Average and Concatenate, of branches that count as independent.
    Activations: linear, relu, leaky_relu, tanh, sigmoid, gelu, silu, softplus, elu, selu.

    Maxima are those of independent normals, by Clark's formulas, before an increasing activation.

    Args:
      model: built, `Sequential` or functional with every layer called once.
      inputs: array or tensor `[B, …]` of one input.

    Raises:
      ValueError: layers that are not served, all of them by name; or weights that depend on each
        other.
    """
    return Moments(*_run(model, inputs, _variances))


def propagate_covariance(model: keras.Model, inputs: Any, most: int | None = None) -> Correlated:
    """Mean and covariance of the outputs `[B, K]`, covariances in the first order.

    Costs a pass back through all layers but the first for every output, beside the pass of
    `propagate`. The variances of hidden units are still those of the diagonal approximation.

    Args:
      model: as of `propagate`, with at most 100 outputs.
      inputs: as of `propagate`.
      most: only the `most` outputs with the largest means of each input, such as the likeliest
        classes; the others keep their variance and count as independent. None for all.

    Raises:
      ValueError: as of `propagate`, or outputs of another shape.
    """
    return Correlated(*_run(model, inputs, _covariances, _number(model, most)))


def propagate_leading(model: keras.Model, inputs: Any, most: int, relative: bool) -> Leading:
    """`propagate_covariance` in parts, for drawing outputs.

    Args:
      model: as there.
      inputs: as there.
      most: as there.
      relative: of differences to the largest output, which is all that a softmax sees: that one
        has no variance then, the others that of the difference, and a pass back is saved. Those
        that are not chosen count as independent of it.
    """
    return Leading(*_run(model, inputs, _leading, _number(model, most), relative))


def _number(model: keras.Model, most: int | None) -> int:
    """Of outputs with a covariance; ValueError for an unusable one."""
    require_served(model)
    if not has_covariance(model):
        raise ValueError(
            f"the outputs must have shape [B, K] with K at most {_MOST_OUTPUTS} for a covariance, "
            f"got {tuple(model.outputs[0].shape)}; use propagate, of variances alone."
        )
    if most is not None and most < 1:
        raise ValueError(f"most must be at least 1 or None, got {most!r}.")
    size = model.outputs[0].shape[1]
    return min(most or size, size)


def has_covariance(model: keras.Model) -> bool:
    """Whether the outputs are of a shape that `propagate_covariance` serves."""
    shape = model.outputs[0].shape
    return len(shape) == 2 and shape[1] <= _MOST_OUTPUTS


def _run(model: keras.Model, inputs: Any, rule: Callable[..., Any], *options: Any) -> Any:
    x = tf.cast(tf.convert_to_tensor(inputs), tf.float32)
    require_served(model)
    if tf.inside_function():
        return rule(model, x, *options)
    identity, entries = _CACHE.get(model, (None, {}))
    if identity is None or not identity.matches(model):
        entries = {}
        _CACHE[model] = (Identity(model), entries)
    key = (rule, *options)
    if key not in entries:
        reference = weakref.ref(model)  # an entry must not keep its own key alive
        signature = tf.TensorSpec([None, *x.shape[1:]], tf.float32)

        def traced(x: tf.Tensor) -> Any:
            return rule(reference(), x, *options)

        entries[key] = tf.function(traced, input_signature=[signature], autograph=False)
    return entries[key](x)


def _variances(model: keras.Model, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    said = applied(_through(model, Units(x, None), None))
    return said.mean, tf.zeros_like(said.mean) if said.variance is None else said.variance


def _covariances(model: keras.Model, x: tf.Tensor, most: int) -> tuple[tf.Tensor, tf.Tensor]:
    leading = _leading(model, x, most, False)
    spread = tf.matmul(leading.block, leading.chosen)
    spread = tf.matmul(leading.chosen, spread, transpose_a=True)
    alone = tf.reduce_sum(leading.others, axis=1) * leading.variance
    return leading.mean, spread + tf.linalg.diag(alone)


def _leading(model: keras.Model, x: tf.Tensor, most: int, relative: bool) -> Leading:
    sources = Sources()
    said = applied(_through(model, Units(x, None), sources))
    mean, count, size = said.mean, tf.shape(said.mean)[0], said.mean.shape[-1]
    order = tf.one_hot(tf.math.top_k(mean, size).indices, size)
    first, chosen, others = order[:, :1], order[:, int(relative) : most], order[:, most:]
    number = chosen.shape[1]
    if said.variance is None:
        zeros = tf.zeros([count, number, number]), tf.zeros_like(mean)
        return Leading(mean, chosen, others, *zeros)
    block, variance = tf.linalg.diag(_of(chosen, said.own)), said.variance
    if relative:
        block += _of(first, said.own)[:, tf.newaxis]
        variance += _of(first, variance)
    if said.path is not None:
        paths = _of(chosen - first if relative else chosen, said.path)
        slopes = [tf.gradients(paths[:, k], sources.places) for k in range(number)]
        for spread, *each in zip(sources.variances, *slopes, strict=True):
            if each[0] is None:  # of a branch that ends
                continue
            flat = [tf.reshape(slope, [count, -1]) for slope in each]
            block += _gram(tf.reshape(spread, [count, -1]), flat)
    return Leading(mean, chosen, others, block, variance)


def _of(rows: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Rows `[B, m, K]` times values `[B, K]`, `[B, m]`."""
    return tf.reduce_sum(rows * values[:, tf.newaxis], axis=2)


def _gram(variance: tf.Tensor, rows: list[tf.Tensor]) -> tf.Tensor:
    """R diag(variance) Rᵀ `[B, m, m]` of rows `[B, n]` each."""
    if len(rows) > _FEW:
        stacked = tf.stack(rows, axis=1)
        return tf.matmul(stacked * variance[:, tf.newaxis], stacked, transpose_b=True)
    return _gram_of_few(variance, *rows)


@tf.function(jit_compile=True, autograph=False)
def _gram_of_few(variance: tf.Tensor, *rows: tf.Tensor) -> tf.Tensor:
    """One pass over the rows, where many products of small matrices take long."""
    size = len(rows)
    ones = tf.ones([tf.shape(variance)[1], 1])  # sums as products of matrices are quicker on CPUs
    sums = {
        (i, j): tf.matmul(rows[i] * rows[j] * variance, ones)
        for i in range(size)
        for j in range(i, size)
    }
    flat = [sums[min(i, j), max(i, j)] for i in range(size) for j in range(size)]
    return tf.reshape(tf.concat(flat, axis=1), [-1, size, size])


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
        elif type(layer) not in RULES:
            yield f"{layer.name} ({type(layer).__module__.split('.')[0]} {type(layer).__name__})"
        else:
            fault = fault_of(layer)
            if fault:
                yield f"{layer.name} ({fault})"


def _through(model: Any, given: Units, sources: Sources | None) -> Units:
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            if isinstance(layer, keras.Sequential):
                given = _through(layer, given, sources)
            else:
                given = _one(layer, given, sources)
        return given
    known = {id(model.inputs[0]): given}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        parts = keras.tree.map_structure(lambda x: _Held(known[id(x)]), layer.input)
        several = isinstance(parts, (list, tuple))
        value = [part.units for part in parts] if several else parts.units
        known[id(layer.output)] = _one(layer, value, sources)
    return known[id(model.outputs[0])]


def _one(layer: Any, given: Any, sources: Sources | None) -> Units:
    if isinstance(given, list):
        given = [applied(units) for units in given]
    elif type(layer) not in BEFORE_ACTIVATION:
        given = applied(given)
    if type(layer) in MIXES:
        given = sourced(given, sources)
    return RULES[type(layer)](layer, given)


class _Held:
    """Units as one leaf: a named tuple is a structure of its own."""

    def __init__(self, units: Units) -> None:
        self.units = units
