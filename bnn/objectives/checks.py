"""What an objective makes sure of before it averages anything."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
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


def require_kl_weight(kl_weight: Any) -> Any:
    """λ, a finite number of at least 0, or a scalar tensor.

    Below 0 the objective would reward a posterior far from its prior and have no minimum. Such a
    value is refused where it is known, and NaN in a compiled step, whose loss it shows in.

    Raises:
      ValueError: another shape, or a value that is known to be negative or not finite.
    """
    known = tf.get_static_value(kl_weight) if tf.is_tensor(kl_weight) else kl_weight
    if known is not None:
        if np.ndim(known) or not 0 <= float(known) < math.inf:
            raise ValueError(
                f"kl_weight must be one finite number of at least 0, got {known}; 1.0 is the whole "
                "KL, less a tempered posterior."
            )
        return kl_weight
    kl_weight = tf.cast(kl_weight, tf.float32)
    if kl_weight.shape.rank not in (0, None):
        raise ValueError(
            f"kl_weight must be one number for the whole KL, got shape {kl_weight.shape}; weigh "
            "single sites by their priors."
        )
    return tf.where(kl_weight >= 0, kl_weight, float("nan"))


def require_examples(log_likelihoods: tf.Tensor) -> None:
    """Raises ValueError for a batch that is known to be empty: the mean of nothing is NaN."""
    if log_likelihoods.shape[-1] == 0:
        raise ValueError(
            "inputs must hold at least one example, got a batch of 0: its mean log-likelihood is "
            "not a number; leave empty batches out."
        )


def require_num_train(num_train: Any) -> Any:
    """N, an int, or a float32 scalar tensor where it is a tensor.

    Raises:
      ValueError: a known value that is no whole number of at least 1.
    """
    if tf.is_tensor(num_train):
        return tf.cast(num_train, tf.float32)
    value = np.asarray(num_train)
    if value.ndim or value.dtype.kind not in "iuf" or not 1 <= value < math.inf or value % 1:
        raise ValueError(
            f"num_train must be the number of training examples, at least 1, got {num_train}."
        )
    return int(num_train)


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
