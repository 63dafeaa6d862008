"""Operators: maps y = op(x, w), linear in w. They know nothing of probability."""

from bnn.operators.bias import Bias
from bnn.operators.broadcast import Offset, Scale, broadcast_shape
from bnn.operators.convolution import Convolution
from bnn.operators.convolution_transpose import ConvolutionTranspose
from bnn.operators.dense import Dense
from bnn.operators.depthwise import DepthwiseConvolution
from bnn.operators.einsum import Einsum, EinsumAxes
from bnn.operators.lookup import Lookup, as_ids
from bnn.operators.operator import Operator
from bnn.operators.pointwise import Pointwise
from bnn.operators.value import Value

__all__ = [
    "Bias",
    "Convolution",
    "ConvolutionTranspose",
    "Dense",
    "DepthwiseConvolution",
    "Einsum",
    "EinsumAxes",
    "Lookup",
    "Offset",
    "Operator",
    "Pointwise",
    "Scale",
    "Value",
    "as_ids",
    "broadcast_shape",
]
