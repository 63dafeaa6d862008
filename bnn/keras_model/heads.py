"""Outputs of one network and their likelihoods: one, or one for each of several heads."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.compat import keras_mask, masked
from bnn.likelihoods import Heads, Likelihood, Positions
from bnn.likelihoods.logits import require_logits


def build_likelihood(likelihood: Likelihood, network: keras.Model) -> None:
    """Creates the likelihood's variables for the network's outputs.

    Where the outputs' shapes are not known (subclassed models) the likelihood builds itself for
    the targets that it sees, or asks to be built. Probabilities for a likelihood of logits are
    refused.
    """
    require_logits(likelihood, network)
    numbers = _num_targets(likelihood, _output_shapes(likelihood, network))
    if numbers is not None:
        likelihood.build(numbers)


def _output_shapes(likelihood: Likelihood, network: keras.Model) -> Any:
    """Shapes of the outputs, in their structure; None if not known."""
    # `output_shape` of several outputs is a flat list in the order of sorted names.
    outputs = getattr(network, "output", None) if isinstance(likelihood, Heads) else None
    if outputs is not None:
        return keras.tree.map_structure(lambda tensor: tensor.shape, outputs)
    return getattr(network, "output_shape", None)


def _num_targets(likelihood: Likelihood, shape: Any) -> Any:
    """Target columns, or classes, that outputs of this shape are for; None if not known."""
    if isinstance(likelihood, Heads):
        if not isinstance(shape, (dict, list)):
            return None
        shapes = likelihood.split("outputs", shape)
        each = {
            name: _num_targets(one, shapes[name]) for name, one in likelihood.likelihoods.items()
        }
        return None if None in each.values() else each
    if not isinstance(shape, tuple) or not all(n is None or isinstance(n, int) for n in shape):
        return None
    return likelihood.num_targets(int(shape[-1] or 1))


def predictive_mean(likelihood: Likelihood, samples: Any) -> Any:
    """Probabilities `[B, C]` or the mean of the targets `[B, D]`; of heads in their structure.

    Of positions one for each, `[B, …, C]` or `[B, …, D]`.

    Args:
      likelihood: built.
      samples: outputs `[S, B, …]`.
    """
    if isinstance(likelihood, Positions):
        mean = likelihood.predictive(samples).mean()
        shape = tf.concat([tf.shape(samples)[1:-1], tf.shape(mean)[1:]], 0)
        return tf.ensure_shape(tf.reshape(mean, shape), [*samples.shape[1:-1], *mean.shape[1:]])
    if not isinstance(likelihood, Heads):
        return likelihood.predictive(samples).mean()
    parts = likelihood.split("outputs", samples)
    means = {n: predictive_mean(one, parts[n]) for n, one in likelihood.likelihoods.items()}
    return means if likelihood.named else list(means.values())


def has_positions(likelihood: Likelihood) -> bool:
    """Whether a head has a likelihood at every position, which masks of the outputs decide on."""
    if isinstance(likelihood, Heads):
        return any(has_positions(one) for one in likelihood.likelihoods.values())
    return isinstance(likelihood, Positions)


def masks_of(outputs: Any) -> list[Any]:
    """The masks that layers have attached to outputs of one call, None where there is none."""
    return [keras_mask(output) for output in keras.tree.flatten(outputs)]


def with_masks(values: Any, masks: list[Any] | None) -> Any:
    """Outputs or means with the masks that `masks_of` gave; as they are where it is None."""
    if masks is None:
        return values
    flat = keras.tree.flatten(values)
    parts = [masked(value, mask) for value, mask in zip(flat, masks, strict=True)]
    return keras.tree.pack_sequence_as(values, parts)
