"""Outputs that have passed a link already, which the likelihood would apply a second time."""

from __future__ import annotations

from typing import Any

import keras

from bnn.compat import output_layers
from bnn.likelihoods.heads import Heads
from bnn.likelihoods.likelihood import Likelihood
from bnn.likelihoods.positions import Positions

_TO_PROBABILITIES = (keras.activations.softmax, keras.activations.sigmoid)


def require_logits(likelihood: Likelihood, model: Any) -> None:
    """Refuses probabilities for a likelihood of logits: softmax(softmax(x)) is nearly uniform.

    Of models whose last layers are known: functional and sequential ones, nested and wrapped layers
    too. What a subclassed model does in its `call` cannot be seen.

    Args:
      likelihood: that of the outputs.
      model: built Keras model.

    Raises:
      ValueError: a last layer with the activation softmax or sigmoid, under `Categorical`,
        `SoftCategorical` or `Bernoulli`, at positions and in heads, too.
    """
    layers = output_layers(model)
    if layers is not None:
        _check(likelihood, layers)


def _check(likelihood: Any, layers: Any) -> None:
    if isinstance(likelihood, Heads):
        if isinstance(layers, (dict, list, tuple)):
            of_heads = likelihood.split("outputs", layers)
            for name, one in likelihood.likelihoods.items():
                _check(one, of_heads[name])
    elif isinstance(likelihood, Positions):
        _check(likelihood.likelihood, layers)
    elif getattr(likelihood, "takes_logits", False) and isinstance(layers, keras.layers.Layer):
        _refuse_probabilities(likelihood, layers)


def _refuse_probabilities(likelihood: Likelihood, layer: keras.layers.Layer) -> None:
    name = type(likelihood).__name__
    if isinstance(layer, keras.layers.Softmax):
        remedy = f"leave layer {layer.name!r} out"
    elif any(getattr(layer, "activation", None) is one for one in _TO_PROBABILITIES):
        remedy = (
            f"give layer {layer.name!r} the activation None, of a trained model "
            "model.layers[-1].activation = keras.activations.linear before bnn.convert: its "
            "weights stay as they are"
        )
    else:
        return
    raise ValueError(
        f"{name} takes logits and makes the probabilities itself, but layer {layer.name!r} gives "
        f"probabilities already: taken as logits they are nearly uniform again; {remedy}."
    )
