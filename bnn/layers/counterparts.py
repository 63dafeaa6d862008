"""Which Keras layer becomes which layer here, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from bnn.layers.bayesian_layer import BayesianLayer
from bnn.layers.convolution import Conv1D, Conv2D, Conv3D
from bnn.layers.dense import Dense


class Counterpart(NamedTuple):
    """A layer of bnn that is a Keras layer with random weights.

    Attributes:
      kind: the class here.
      config: of a Keras layer to the arguments of the class.
      sites: names of the sites, in the order of the Keras layer's trainable weights; a layer
        without bias has the first of them only.
    """

    kind: type[BayesianLayer]
    config: Callable[[dict], dict]
    sites: tuple[str, ...]


def _without(*names: str) -> Callable[[dict], dict]:
    """The configuration without what is Keras's alone: quantisation and low-rank adapters."""
    return lambda config: {k: v for k, v in config.items() if k not in names}


_AFFINE = _without("lora_rank", "lora_alpha", "quantization_config")
COUNTERPARTS: dict[type[keras.layers.Layer], Counterpart] = {
    keras.layers.Dense: Counterpart(Dense, _AFFINE, ("kernel", "bias")),
    keras.layers.Conv1D: Counterpart(Conv1D, _AFFINE, ("kernel", "bias")),
    keras.layers.Conv2D: Counterpart(Conv2D, _AFFINE, ("kernel", "bias")),
    keras.layers.Conv3D: Counterpart(Conv3D, _AFFINE, ("kernel", "bias")),
}


def counterpart(layer: keras.layers.Layer) -> Counterpart | None:
    """The counterpart of a Keras layer of exactly this class; None for others and adapted ones."""
    adapted: Any = getattr(layer, "lora_enabled", False) or getattr(
        layer, "quantization_mode", None
    )
    return None if adapted else COUNTERPARTS.get(type(layer))
