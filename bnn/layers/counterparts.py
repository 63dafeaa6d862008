"""Which Bayesian layer stands for which Keras layer, and with which arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from bnn.layers.attention import GroupQueryAttention, MultiHeadAttention
from bnn.layers.batch_normalization import BatchNormalization
from bnn.layers.convolution import Conv1D, Conv2D, Conv3D
from bnn.layers.convolution_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from bnn.layers.dense import Dense
from bnn.layers.depthwise_convolution import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from bnn.layers.einsum_dense import EinsumDense
from bnn.layers.embedding import Embedding
from bnn.layers.group_normalization import GroupNormalization
from bnn.layers.layer_normalization import LayerNormalization
from bnn.layers.recurrent import GRU, LSTM, SimpleRNN
from bnn.layers.recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell
from bnn.layers.rms_normalization import RMSNormalization


class Counterpart(NamedTuple):
    """The Bayesian layer of a Keras layer.

    Attributes:
      layer: its class.
      config: from the Keras layer's configuration to arguments of `layer`; ValueError, with the
        reason, for a configuration that the Bayesian layer does not have. Posteriors and priors are
        not in it: add them as arguments.
      sites: names of the sites in the order of the Keras layer's trainable weights, those that the
        configuration leaves out included; in a layer made of layers, `"<part>/<site>"`. It is also
        the order of `bnn.sites(layer)`. Weights that are not trainable come in the same order in
        both layers.
    """

    layer: type[keras.layers.Layer]
    config: Callable[[dict], dict[str, Any]]
    sites: tuple[str, ...]


# What rewrites the kernel in Keras: low-rank adaptation, quantization.
_REWRITES = ("lora_rank", "quantization_config", "gptq_unpacked_column_size")
_UNUSED = (*_REWRITES, "lora_alpha", "use_cudnn")


def same_arguments(config: dict) -> dict[str, Any]:
    """A Keras configuration without what has no meaning for random weights.

    Raises:
      ValueError: a kernel that Keras rewrites.
    """
    rewritten = [name for name in _REWRITES if config.get(name) is not None]
    if rewritten:
        raise ValueError(
            f"layer {config.get('name')!r} must not be quantized or adapted by Keras, got "
            f"{rewritten[0]}={config[rewritten[0]]!r}; merge or undo it before, and use "
            "bnn.layers.LoRA for a random update of low rank."
        )
    kept = {name: value for name, value in config.items() if name not in _UNUSED}
    if kept.pop("rms_scaling", False):
        raise ValueError(
            f"layer {config.get('name')!r} must not have rms_scaling=True, which Keras has "
            "withdrawn; use RMSNormalization."
        )
    return kept


_AFFINE = ("kernel", "bias")
_SEPARABLE = ("depthwise", "pointwise", "bias")
_RECURRENT = ("kernel", "recurrent", "bias")
_SCALE_OFFSET = ("gamma", "beta")
_PROJECTIONS = tuple(
    f"{part}/{site}"
    for part in ("query", "key", "gate", "value", "attention_output")
    for site in _AFFINE
)
_LAYERS: dict[type[keras.layers.Layer], tuple[str, ...]] = {
    Dense: _AFFINE,
    EinsumDense: _AFFINE,
    Embedding: ("embeddings",),
    Conv1D: _AFFINE,
    Conv2D: _AFFINE,
    Conv3D: _AFFINE,
    Conv1DTranspose: _AFFINE,
    Conv2DTranspose: _AFFINE,
    Conv3DTranspose: _AFFINE,
    DepthwiseConv1D: ("depthwise", "bias"),
    DepthwiseConv2D: ("depthwise", "bias"),
    SeparableConv1D: _SEPARABLE,
    SeparableConv2D: _SEPARABLE,
    SimpleRNNCell: _RECURRENT,
    LSTMCell: _RECURRENT,
    GRUCell: _RECURRENT,
    SimpleRNN: _RECURRENT,
    LSTM: _RECURRENT,
    GRU: _RECURRENT,
    LayerNormalization: _SCALE_OFFSET,
    BatchNormalization: _SCALE_OFFSET,
    GroupNormalization: _SCALE_OFFSET,
    RMSNormalization: ("scale",),
    MultiHeadAttention: _PROJECTIONS,
    GroupQueryAttention: _PROJECTIONS,
}
COUNTERPARTS: dict[type[keras.layers.Layer], Counterpart] = {
    getattr(keras.layers, kind.__name__): Counterpart(kind, same_arguments, names)
    for kind, names in _LAYERS.items()
}
