"""Models: ordinary Keras models with Bayesian layers."""

from bnn.models.lenet5 import lenet5
from bnn.models.mlp import mlp

__all__ = ["lenet5", "mlp"]
