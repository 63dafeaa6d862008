"""Outputs that have passed a link already, which the likelihood would apply a second time."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.compat import output_layers
from bnn.likelihoods.heads import Heads
from bnn.likelihoods.likelihood import Likelihood
from bnn.likelihoods.positions import Positions

_TO_PROBABILITIES = (
    keras.activations.softmax,
    keras.activations.sigmoid,
    keras.ops.softmax,
    keras.ops.sigmoid,
    tf.nn.softmax,
    tf.nn.sigmoid,
)
_OPERATIONS = ("Softmax", "Sigmoid")  # classes of keras.ops


def require_logits(likelihood: Likelihood, model: Any) -> None:
    """Refuses probabilities for a likelihood of logits: softmax(softmax(x)) is nearly uniform.

    Of models whose last operations are known: functional and sequential ones, nested and wrapped
    layers too. What a subclassed model does in its `call` cannot be seen.

    Args:
      likelihood: that of the outputs.
      model: built Keras model.

    Raises:
      ValueError: a last layer with the activation softmax or sigmoid, or one of these operations,
        under `Categorical`, `SoftCategorical` or `Bernoulli`, at positions and in heads, too.
    """
    layers = output_layers(model)
    if layers is not None:
        _check(likelihood, layers)


def _check(likelihood: Likelihood, layers: Any) -> None:
    if isinstance(likelihood, Heads):
        if isinstance(layers, (dict, list, tuple)):
            of_heads = likelihood.split("outputs", layers)
            for name, one in likelihood.likelihoods.items():
                _check(one, of_heads[name])
    elif isinstance(likelihood, Positions):
        _check(likelihood.likelihood, layers)
    elif likelihood.takes_logits and isinstance(layers, keras.Operation):
        _refuse_probabilities(likelihood, layers)


def _refuse_probabilities(likelihood: Likelihood, last: keras.Operation) -> None:
    name = type(likelihood).__name__
    kind = "layer" if isinstance(last, keras.layers.Layer) else "operation"
    if _gives_probabilities(last, "activation"):
        remedy = (
            f"give layer {last.name!r} the activation None, of a trained model "
            "model.layers[-1].activation = keras.activations.linear before bnn.convert: its "
            "weights stay as they are"
        )
    elif (
        isinstance(last, keras.layers.Softmax)
        or type(last).__name__ in _OPERATIONS
        or _gives_probabilities(last, "function")  # of Lambda
    ):
        remedy = f"leave {kind} {last.name!r} out"
    else:
        return
    raise ValueError(
        f"{name} takes logits and makes the probabilities itself, but {kind} {last.name!r} gives "
        f"probabilities already: taken as logits they are nearly uniform again; {remedy}."
    )


def _gives_probabilities(last: keras.Operation, attribute: str) -> bool:
    return any(getattr(last, attribute, None) is one for one in _TO_PROBABILITIES)
