"""Inference methods, and the evaluation they share."""

from bnn.inference.evaluation import evaluate, headline, own_units, target_names
from bnn.inference.gradient_noise import GradientNoise, GradientNoiseProbe
from bnn.inference.method import Method, Problem
from bnn.inference.variational import VariationalInference

__all__ = [
    "GradientNoise",
    "GradientNoiseProbe",
    "Method",
    "Problem",
    "VariationalInference",
    "evaluate",
    "headline",
    "own_units",
    "target_names",
]
