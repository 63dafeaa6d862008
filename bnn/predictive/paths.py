"""The linear map of a layer's means, with a way back that is as fast as the way there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bnn import operators


def along(operator: Any, path: tf.Tensor, means: tf.Tensor) -> tf.Tensor:
    """op(path, means), linear in the path.

    On CPUs TensorFlow's gradient of a convolution in its inputs takes many times as long as the
    convolution itself. Of plain ones in two dimensions it is a convolution with the flipped kernel,
    or, where the window is the whole image, a product of matrices.
    """
    if not _is_plain(operator, path):
        return operator(path, means)

    @tf.custom_gradient
    def mapped(path: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def back(upstream: tf.Tensor) -> tf.Tensor:
            return _back(operator.padding, tuple(path.shape[1:3]), means, upstream)

        return operator(path, means), back

    return mapped(path)


def _is_plain(operator: Any, path: tf.Tensor) -> bool:
    return (
        isinstance(operator, operators.Convolution)
        and set(operator.strides) == set(operator.dilation_rate) == {1}
        and operator.data_format == "channels_last"
        and operator.groups == 1
        and not operator.causal
        and path.shape.rank == 4
        and None not in path.shape[1:]
    )


def _back(padding: str, image: tuple[int, ...], means: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    window = tuple(means.shape[:2])
    if padding == "valid" and window == image:
        flat = tf.reshape(means, [-1, means.shape[3]])
        back = tf.matmul(tf.reshape(upstream, [-1, means.shape[3]]), flat, transpose_b=True)
        return tf.reshape(back, [-1, *image, means.shape[2]])
    before = [(size - 1) // 2 if padding == "same" else 0 for size in window]
    after = [
        size - 1 - b if padding == "same" else 0 for size, b in zip(window, before, strict=True)
    ]
    around = [[s - 1 - b, s - 1 - a] for s, b, a in zip(window, before, after, strict=True)]
    padded = tf.pad(upstream, [[0, 0], *around, [0, 0]])
    flipped = tf.transpose(tf.reverse(means, [0, 1]), [0, 1, 3, 2])
    return tf.nn.conv2d(padded, flipped, strides=1, padding="VALID")
