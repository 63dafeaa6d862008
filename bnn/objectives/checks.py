"""What an objective makes sure of before it averages anything."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.sites import sites


def require_weights(weights: Any, log_prob: tf.Tensor) -> tf.Tensor:
    """Weights of the examples, float32 `[B]`.

    A negative one is refused where its value is known, and is NaN in a compiled step, whose loss it
    shows in: it would reward a wrong prediction.

    Raises:
      ValueError: another shape, or a weight that is known to be negative or NaN.
    """
    weights = tf.cast(weights, tf.float32)
    if weights.shape.rank != 1 or not weights.shape.is_compatible_with(log_prob.shape):
        raise ValueError(
            f"weights must be one number per example, {log_prob.shape}, got shape {weights.shape}; "
            "weigh positions or heads in the likelihood."
        )
    right = weights >= 0
    if tf.executing_eagerly() and not bool(tf.reduce_all(right)):
        row = int(tf.argmin(tf.cast(right, tf.int32)))
        raise ValueError(
            f"weights must be at least 0, got {float(weights[row])} in row {row}; an example that "
            "must not count has the weight 0."
        )
    return tf.where(right, weights, float("nan"))


def require_tracked(model: keras.Model, draw: Draw) -> None:
    """Raises ValueError where a layer was drawn that the model does not know of."""
    known = set(sites(model).values())
    foreign = sorted({site.layer.name for site in draw.sites if site not in known})
    if foreign:
        raise ValueError(
            f"layer {', '.join(map(repr, foreign))} was drawn in the call of model {model.name!r}, "
            "but the model does not track it: it would be neither trained nor counted in the KL. "
            "Make it an attribute of a Keras layer or model; a keras.layers.Lambda or a plain "
            "Python object hides it."
        )
