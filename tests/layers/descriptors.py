"""Every layer with a Keras namesake: how both are made, and what they are called with.

A test compares the table with the public names of `bnn.layers`, so that no layer slips past.
"""

from typing import NamedTuple

import keras
import numpy as np

import bnn

FIRST = "channels_first"


class Descriptor(NamedTuple):
    """One configuration of one layer.

    Attributes:
      layer: name of the class.
      arguments: of both constructors.
      shape: of the inputs, the batch first.
      ids: inputs are integers below this number; None for real numbers.
      first: whether it is the layer's first configuration, which the longer checks use.
    """

    layer: str
    arguments: dict
    shape: tuple
    ids: int | None = None
    first: bool = True

    def bayesian(self, **arguments):
        return getattr(bnn.layers, self.layer)(**self.arguments, **arguments)

    def namesake(self, **arguments):
        return getattr(keras.layers, self.layer)(**self.arguments, **arguments)

    def inputs(self):
        rng = np.random.default_rng(len(self.layer))
        if self.ids is not None:
            return rng.integers(0, self.ids, self.shape).astype("int32")
        return rng.normal(size=self.shape).astype("float32")

    def symbolic(self):
        """A `keras.Input` for what `inputs` gives."""
        return keras.Input(self.shape[1:], dtype="float32" if self.ids is None else "int32")

    def apply(self, layer, inputs, **options):
        """The layer at the inputs; a cell in a recurrent layer, attention of a tensor to itself."""
        if "Attention" in self.layer:
            return layer(inputs, inputs, **options)
        return layer(inputs, **options)

    def wrapped(self, layer):
        """What is called: a cell stands in a recurrent layer."""
        if self.layer.endswith("Cell"):
            return keras.layers.RNN(layer, return_sequences=True, dtype=layer.dtype_policy)
        return layer


def _configurations(layer, *rows, ids=None):
    return {
        f"{layer}-{i}": Descriptor(layer, arguments, shape, ids, i == 0)
        for i, (arguments, shape) in enumerate(rows)
    }


_SEQUENCES = (3, 5, 4)
_IMAGES = (3, 6, 5, 2)
_GATED = (
    ({"units": 3}, _SEQUENCES),
    ({"units": 3, "use_bias": False, "recurrent_activation": "hard_sigmoid"}, _SEQUENCES),
    ({"units": 2, "return_sequences": True, "go_backwards": True}, _SEQUENCES),
    ({"units": 2, "return_sequences": True, "return_state": True, "unroll": True}, _SEQUENCES),
)
DESCRIPTORS = {
    **_configurations(
        "Dense",
        ({"units": 4, "activation": "tanh"}, (5, 3)),
        ({"units": 4, "use_bias": False}, (2, 6, 3)),
    ),
    **_configurations(
        "EinsumDense",
        (
            {"equation": "abc,cde->abde", "output_shape": (None, 2, 4), "bias_axes": "de"},
            (3, 5, 4),
        ),
        ({"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, (3, 5, 4)),
        (
            {
                "equation": "abcd,cde->abe",
                "output_shape": (5, 4),
                "activation": "relu",
                "bias_axes": "be",
            },
            (3, 5, 2, 4),
        ),
        (
            {"equation": "ab...,bc->ac...", "output_shape": 4, "bias_axes": "c"},
            (3, 5, 2, 3),
        ),
        ({"equation": "abc,cd->ad", "output_shape": 4}, (3, 5, 4)),
        ({"equation": "abc,bd->acd", "output_shape": (4, 2), "bias_axes": "c"}, (3, 5, 4)),
    ),
    **_configurations(
        "Embedding",
        ({"input_dim": 7, "output_dim": 3}, (4, 6)),
        ({"input_dim": 7, "output_dim": 3, "mask_zero": True}, (4, 2, 3)),
        ids=7,
    ),
    **_configurations(
        "Conv1D",
        ({"filters": 4, "kernel_size": 3, "padding": "causal"}, (2, 8, 3)),
    ),
    **_configurations("Conv2D", ({"filters": 4, "kernel_size": 3}, _IMAGES)),
    **_configurations("Conv3D", ({"filters": 2, "kernel_size": 2}, (2, 4, 5, 3, 2))),
    **_configurations(
        "Conv1DTranspose",
        ({"filters": 4, "kernel_size": 3, "strides": 2}, (2, 6, 3)),
        (
            {
                "filters": 4,
                "kernel_size": 3,
                "strides": 3,
                "padding": "same",
                "output_padding": 1,
                "activation": "relu",
            },
            (2, 6, 3),
        ),
    ),
    **_configurations(
        "Conv2DTranspose",
        ({"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, _IMAGES),
        ({"filters": 4, "kernel_size": (2, 3), "strides": (2, 1), "use_bias": False}, _IMAGES),
    ),
    **_configurations(
        "Conv3DTranspose",
        ({"filters": 2, "kernel_size": 2, "strides": (1, 2, 1)}, (2, 3, 4, 3, 2)),
    ),
    **_configurations(
        "DepthwiseConv1D",
        ({"kernel_size": 3, "depth_multiplier": 2}, (2, 8, 3)),
        ({"kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False}, (2, 8, 3)),
    ),
    **_configurations(
        "DepthwiseConv2D",
        ({"kernel_size": 3, "depth_multiplier": 2, "activation": "relu"}, _IMAGES),
        ({"kernel_size": (2, 3), "strides": 2, "padding": "same"}, _IMAGES),
        ({"kernel_size": 2, "dilation_rate": 2}, _IMAGES),
        ({"kernel_size": 2, "data_format": FIRST, "depth_multiplier": 2}, (2, 3, 6, 5)),
    ),
    **_configurations(
        "SeparableConv1D",
        ({"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, (2, 8, 3)),
    ),
    **_configurations(
        "SeparableConv2D",
        ({"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, _IMAGES),
        ({"filters": 4, "kernel_size": 2, "dilation_rate": 2, "use_bias": False}, _IMAGES),
        # Keras 3.15 adds the bias along the width here.
        (
            {"filters": 4, "kernel_size": 2, "data_format": FIRST, "use_bias": False},
            (2, 3, 6, 5),
        ),
    ),
    **_configurations(
        "SimpleRNNCell",
        ({"units": 3}, _SEQUENCES),
        ({"units": 3, "activation": "relu", "use_bias": False}, _SEQUENCES),
    ),
    **_configurations(
        "LSTMCell",
        ({"units": 3}, _SEQUENCES),
        ({"units": 3, "unit_forget_bias": False, "use_bias": True}, _SEQUENCES),
    ),
    **_configurations(
        "GRUCell",
        ({"units": 3}, _SEQUENCES),
        ({"units": 3, "reset_after": False}, _SEQUENCES),
    ),
    **_configurations(
        "SimpleRNN",
        ({"units": 3}, _SEQUENCES),
        ({"units": 3, "return_sequences": True, "return_state": True}, _SEQUENCES),
    ),
    **_configurations("LSTM", *_GATED),
    **_configurations("GRU", *_GATED, ({"units": 3, "reset_after": False}, _SEQUENCES)),
    **_configurations(
        "LayerNormalization",
        ({}, (3, 5, 4)),
        ({"axis": [1, 2], "epsilon": 0.1}, (3, 5, 4)),
        ({"axis": 1, "center": False}, (3, 5, 4)),
        ({"scale": False}, (3, 4)),
    ),
    **_configurations(
        "BatchNormalization",
        ({}, _IMAGES),
        ({"axis": 1, "scale": False, "momentum": 0.5}, (6, 3, 4)),
        ({"center": False, "moving_mean_initializer": "ones"}, (6, 4)),
    ),
    **_configurations(
        "GroupNormalization",
        ({"groups": 2}, (3, 5, 4)),
        ({"groups": -1, "axis": 1, "epsilon": 0.1}, (3, 4, 5)),
    ),
    **_configurations(
        "RMSNormalization",
        ({}, (3, 5, 4)),
        ({"axis": [1, 2], "epsilon": 0.1}, (3, 5, 4)),
    ),
    **_configurations(
        "MultiHeadAttention",
        ({"num_heads": 2, "key_dim": 3}, (3, 5, 4)),
        ({"num_heads": 2, "key_dim": 3, "value_dim": 2, "output_shape": 5}, (3, 5, 4)),
        ({"num_heads": 2, "key_dim": 3, "use_bias": False, "attention_axes": 2}, (2, 3, 5, 4)),
    ),
    **_configurations(
        "GroupQueryAttention",
        ({"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, (3, 5, 4)),
    ),
}
FIRSTS = {name: d for name, d in DESCRIPTORS.items() if d.first}
