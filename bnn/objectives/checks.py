"""What an objective makes sure of before it averages anything."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.sites import sites


def require_weights(weights: Any, log_prob: tf.Tensor) -> tf.Tensor:
    """Weights of the examples, float32 `[B]`; ValueError for another shape."""
    weights = tf.cast(weights, tf.float32)
    if weights.shape.rank != 1 or not weights.shape.is_compatible_with(log_prob.shape):
        raise ValueError(
            f"weights must be one number per example, {log_prob.shape}, got shape {weights.shape}; "
            "weigh positions or heads in the likelihood."
        )
    return weights


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
