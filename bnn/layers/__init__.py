"""Keras 3 layers with random kernel and bias."""

from bnn.layers.bayesian_layer import BayesianLayer
from bnn.layers.convolution import Conv1D, Conv2D, Conv3D, Convolution
from bnn.layers.dense import Dense

__all__ = ["BayesianLayer", "Conv1D", "Conv2D", "Conv3D", "Convolution", "Dense"]
