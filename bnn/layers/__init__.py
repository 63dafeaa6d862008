"""Keras 3 layers with random weights."""

from bnn.layers.affine_layer import AffineLayer
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.layers.convolution import Conv1D, Conv2D, Conv3D, Convolution
from bnn.layers.dense import Dense
from bnn.layers.weight_space import WeightSpace

__all__ = [
    "AffineLayer",
    "BayesianLayer",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Convolution",
    "Dense",
    "WeightSpace",
]
