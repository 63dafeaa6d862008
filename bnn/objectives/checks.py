"""What an objective makes sure of before it averages anything."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.likelihoods import Likelihood
from bnn.sites import sites


def require_per_example(likelihood: Likelihood, outputs: Any, targets: Any) -> tf.Tensor:
    """Log p(y | outputs), `[B]`.

    Raises:
      ValueError: outputs that are several tensors, which the likelihood does not take apart, or
        log-probabilities of another shape: their mean would be wrong by the number of positions.
    """
    if isinstance(outputs, (list, tuple, dict)) and not likelihood.takes_structures:
        raise ValueError(
            f"the model has {len(outputs)} outputs, but {type(likelihood).__name__} takes one "
            "tensor: stacked, their losses would be averaged instead of summed. Use "
            "bnn.likelihoods.Heads with a likelihood per output."
        )
    log_prob = likelihood.log_prob(outputs, targets)
    batch = keras.tree.flatten(outputs)[0].shape[:1]
    if log_prob.shape.rank != 1 or not log_prob.shape.is_compatible_with(batch):
        raise ValueError(
            f"{type(likelihood).__name__}.log_prob must give one number per example, [B] with B = "
            f"{batch[0]}, got shape {log_prob.shape} for outputs of shape "
            f"{[tuple(o.shape) for o in keras.tree.flatten(outputs)]}; for labels at every "
            "position use bnn.likelihoods.Positions, which sums over those of an example."
        )
    return log_prob


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
