"""Inference methods, one a file, and the probe that compares estimators while one trains."""

from bnn.methods.gradient_noise import GradientNoise, GradientNoiseProbe
from bnn.methods.ivon import IVON
from bnn.methods.laplace import Laplace
from bnn.methods.map import MAP
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.methods.variational_inference import VariationalInference
from bnn.training import Archive, Info

__all__ = [
    "IVON",
    "MAP",
    "Archive",
    "GradientNoise",
    "GradientNoiseProbe",
    "Info",
    "Laplace",
    "Method",
    "Problem",
    "VariationalInference",
]
