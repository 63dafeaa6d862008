"""What goes into sites and what gradients come back: the two factors of Kronecker products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.estimators import Mean
from bnn.methods.curvature.blocks import outputs_of
from bnn.methods.curvature.outputs import output_factor
from bnn.methods.curvature.weights import Tensor
from bnn.operators import Bias, Convolution, Dense
from bnn.sites import Site


class Sides(NamedTuple):
    """A site's inputs `[B, T, in]` and outputs' gradients `[K, B, T, out]`, T positions."""

    inputs: tf.Tensor
    gradients: tf.Tensor


def sides(
    model: keras.Model, tensors: Sequence[Tensor], likelihood: Any, inputs: Any
) -> list[Sides]:
    """Of every tensor, the gradients those of the K columns of Rᵀ f; see `Kronecker`.

    Raises:
      ValueError: a site that is not called once.
    """
    with tf.GradientTape() as tape:
        tap = _tapped(model, tensors, inputs, tape)
        factor = tf.stop_gradient(output_factor(likelihood, tap.outputs))
        rows = tf.einsum("bck,bc->k", factor, tap.outputs)
    added = [tap.seen[t.name].added for t in tensors]
    found = tape.jacobian(rows, added, unconnected_gradients="zero")
    return [
        Sides(tap.seen[t.name].inputs, _positions(t, gradient))
        for t, gradient in zip(tensors, found, strict=True)
    ]


def positions(model: keras.Model, tensors: Sequence[Tensor], inputs: Any) -> list[int]:
    """T of every tensor, by one call on the inputs."""
    tap = _tapped(model, tensors, inputs, None)
    return [int(tap.seen[t.name].inputs.shape[1]) for t in tensors]


class _Seen(NamedTuple):
    """A site's inputs `[B, T, in]` and the zeros that were added to its outputs, in their shape."""

    inputs: tf.Tensor
    added: tf.Tensor


class _Tap(Draw):
    """The mean, with watched zeros added to some outputs: their gradient is that of the outputs."""

    def __init__(self, tape: tf.GradientTape | None, tensors: Sequence[Tensor]) -> None:
        super().__init__(0, Mean())
        self._tape = tape
        self._tensors = {t.site: t for t in tensors}
        self.seen: dict[str, _Seen] = {}
        self.outputs: Any = None

    def apply(self, site: Site, inputs: tf.Tensor) -> tf.Tensor:
        """Op(x, μ) + 0."""
        outputs = super().apply(site, inputs)
        tensor = self._tensors.get(site)
        if tensor is None:
            return outputs
        if tensor.name in self.seen:
            raise _unfit(f"{tensor.name} is called twice")
        added = tf.zeros_like(outputs)
        if self._tape is not None:
            self._tape.watch(added)
        self.seen[tensor.name] = _Seen(windows(site.operator, tensor, inputs), added)
        return outputs + added


def windows(operator: Any, tensor: Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """The inputs of every position, `[B, T, in]`: y_t = a_tᵀ w for the kernel w `[in, out]`.

    Those of a convolution, window and channels flat, come from the convolution itself, with the
    identity as its kernel, so that padding, strides and dilation are its own; that takes no more
    than a aᵀ does.
    """
    if isinstance(operator, Bias):
        return tf.ones_like(tf.reshape(inputs, [tf.shape(inputs)[0], -1])[:, :1, tf.newaxis])
    if isinstance(operator, Convolution):
        *window, channels, _ = tensor.variable.shape
        size = math.prod(window) * channels
        identity = tf.reshape(tf.eye(size, dtype=inputs.dtype), [*window, channels, size])
        inputs = operator(inputs, identity)
    return _flat(operator, inputs)


def _positions(tensor: Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Gradients of outputs, `[K, B, T, out]`; of biases positions are summed already."""
    by_column = tf.reshape(gradients, tf.concat([[-1], tf.shape(gradients)[2:]], axis=0))
    by_column = tf.ensure_shape(by_column, [None, *gradients.shape[2:]])
    flat = _flat(tensor.site.operator if tensor.site else None, by_column)
    first = tf.shape(gradients)[:2]
    return tf.reshape(flat, tf.concat([first, tf.shape(flat)[1:]], axis=0))


def _flat(operator: Any, values: tf.Tensor) -> tf.Tensor:
    """`[B, …, C]`, or with the channels second, as `[B, T, C]`."""
    axis = getattr(operator, "channel_axis", -1) % values.shape.rank
    order = [i for i in range(values.shape.rank) if i != axis]
    values = tf.transpose(values, [*order, axis])
    places = math.prod(values.shape[1:-1]) if values.shape.rank > 2 else 1
    return tf.reshape(values, [-1, places, values.shape[-1]])


def _tapped(
    model: keras.Model, tensors: Sequence[Tensor], inputs: Any, tape: tf.GradientTape | None
) -> _Tap:
    tap = _Tap(tape, tensors)
    with tap:
        tap.outputs = outputs_of(model, inputs)
    missing = [t.name for t in tensors if t.name not in tap.seen]
    if missing:
        raise _unfit(f"{', '.join(missing)} are not, as in a recurrent layer")
    return tap


def check_served(tensor: Tensor) -> None:
    """ValueError for a map whose curvature is no Kronecker product here."""
    operator = None if tensor.site is None else tensor.site.operator
    groups = operator.groups if isinstance(operator, Convolution) else 1
    if type(operator) in (Dense, Bias, Convolution) and groups == 1:
        return
    if operator is None:
        what = (
            "of a plain Keras layer (bnn.convert(model, posterior=bnn.posteriors.Point()) makes it "
            "ours)"
        )
    elif groups > 1:
        what = f"of a convolution in {groups} groups"
    else:
        what = f"of a map of the kind {type(operator).__name__}"
    raise ValueError(
        'structure "kfac" serves kernels and biases of dense layers and convolutions in bnn.layers,'
        f" but {tensor.name} is {what}; leave it out by where, which names those that stay random, "
        'such as where=["*conv*", "*dense*"], or use structure="low_rank", "diagonal" or "full".'
    )


def _unfit(what: str) -> ValueError:
    return ValueError(
        f'structure "kfac" needs every site called once, but {what}; leave it out by where, or use '
        'structure="low_rank", "diagonal" or "full".'
    )
