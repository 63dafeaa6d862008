"""Operators: maps y = op(x, w), linear in w. They know nothing of probability."""

from bnn.operators.bias import Bias
from bnn.operators.convolution import Convolution
from bnn.operators.dense import Dense
from bnn.operators.operator import Operator

__all__ = ["Bias", "Convolution", "Dense", "Operator"]
