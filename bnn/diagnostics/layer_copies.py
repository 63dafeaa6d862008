"""Copies of a layer under test: linear, with the posteriors and priors to be tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bnn.layers import BayesianLayer
from bnn.operators import Operator
from bnn.posteriors import MeanFieldNormal, Posterior
from bnn.priors import Prior


class OperatorLayer(BayesianLayer):
    """y = op(x, w): a layer of one site.

    Args:
      operator: the map.
      weight_shape: of w.
      **kwargs: of `bnn.layers.BayesianLayer`.
    """

    site_initializers: ClassVar = {"kernel": "glorot_uniform"}

    def __init__(self, operator: Operator, weight_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operator = operator
        self.weight_shape = tuple(weight_shape)

    def build(self, input_shape: tuple) -> None:
        """Declares the site."""
        del input_shape
        self.kernel = self.add_site("kernel", self.operator, self.weight_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The site at the inputs."""
        del training
        return self.kernel(self.floating(inputs))

    def get_config(self) -> dict:
        """Keras configuration."""
        own = {"operator": self.operator, "weight_shape": self.weight_shape}
        return {**super().get_config(), **own}


def layer_maker(
    layer_or_operator: BayesianLayer | Operator,
    posterior: Posterior | None,
    prior: Prior | None,
    weight_shape: Sequence[int] | None,
) -> Callable[[float | None], BayesianLayer]:
    """Builds copies of a layer, or layers of an operator, with posteriors of a given initial scale.

    Args:
      layer_or_operator: a layer, built or not, or an operator.
      posterior: of every site; the layer's own where None, `MeanFieldNormal(0.5)` for an operator.
      prior: of every site; the layer's own where None.
      weight_shape: of an operator's weights.

    Returns:
      A function of the initial scale, None for the posterior's own.
    """
    if isinstance(layer_or_operator, Operator):
        if weight_shape is None:
            raise ValueError(
                "weight_shape must be given with an operator, which does not know it; pass for "
                "example weight_shape=(4, 3) with bnn.operators.Dense() and input_shape=(3, 4)."
            )
        template: BayesianLayer = OperatorLayer(layer_or_operator, weight_shape)
    elif isinstance(layer_or_operator, BayesianLayer):
        template = layer_or_operator
    else:
        raise ValueError(
            "layer_or_operator must be a bnn layer or operator object, got "
            f"{layer_or_operator!r}; pass for example bnn.layers.Dense(3)."
        )
    if posterior is None and isinstance(layer_or_operator, Operator):
        posterior = MeanFieldNormal(0.5)

    def make(scale: float | None) -> BayesianLayer:
        layer = _linear_copy(template)
        for name in layer.site_initializers:
            chosen = posterior or getattr(template, f"{name}_posterior")
            setattr(layer, f"{name}_posterior", _at_scale(chosen, scale))
            setattr(layer, f"{name}_prior", (prior or getattr(template, f"{name}_prior")).clone())
            seeded = keras.initializers.RandomNormal(stddev=0.5, seed=len(name))
            setattr(layer, f"{name}_initializer", seeded)
        return layer

    return make


def _linear_copy(layer: BayesianLayer) -> BayesianLayer:
    """An unbuilt copy without activation, regularizers and constraints."""
    config = layer.get_config()
    for name in config:
        if name == "activation" or name.endswith(("_regularizer", "_constraint")):
            config[name] = None
    parts = [
        getattr(layer, f"{s}_{p}") for s in layer.site_initializers for p in ("posterior", "prior")
    ]
    with keras.saving.custom_object_scope({type(part).__name__: type(part) for part in parts}):
        return type(layer).from_config(config)


def _at_scale(posterior: Posterior, scale: float | None) -> Posterior:
    if scale is None or posterior.deterministic:
        return posterior.clone()
    return type(posterior).from_config({**posterior.get_config(), "initial_scale": scale})
