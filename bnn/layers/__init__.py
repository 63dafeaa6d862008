"""Keras 3 layers with random weights."""

from bnn.layers.affine_layer import AffineLayer
from bnn.layers.attention import GroupQueryAttention, MultiHeadAttention
from bnn.layers.batch_normalization import BatchNormalization
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.layers.convolution import Conv1D, Conv2D, Conv3D, Convolution
from bnn.layers.convolution_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from bnn.layers.counterparts import COUNTERPARTS, Counterpart
from bnn.layers.dense import Dense
from bnn.layers.depthwise_convolution import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from bnn.layers.einsum_dense import EinsumDense
from bnn.layers.embedding import Embedding
from bnn.layers.filter_response_normalization import FilterResponseNormalization
from bnn.layers.group_normalization import GroupNormalization
from bnn.layers.layer_normalization import LayerNormalization
from bnn.layers.lora import LoRA
from bnn.layers.position_embedding import PositionEmbedding
from bnn.layers.recurrent import GRU, LSTM, SimpleRNN
from bnn.layers.recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell
from bnn.layers.rms_normalization import RMSNormalization
from bnn.layers.weight_space import WeightSpace

__all__ = [
    "COUNTERPARTS",
    "GRU",
    "LSTM",
    "AffineLayer",
    "BatchNormalization",
    "BayesianLayer",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Convolution",
    "Counterpart",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "EinsumDense",
    "Embedding",
    "FilterResponseNormalization",
    "GRUCell",
    "GroupNormalization",
    "GroupQueryAttention",
    "LSTMCell",
    "LayerNormalization",
    "LoRA",
    "MultiHeadAttention",
    "PositionEmbedding",
    "RMSNormalization",
    "SeparableConv1D",
    "SeparableConv2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "WeightSpace",
]
