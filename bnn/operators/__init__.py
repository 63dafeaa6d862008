"""Operators: maps y = op(x, w), linear in w. They know nothing of probability."""

from bnn.operators.bias import Bias
from bnn.operators.convolution import Convolution
from bnn.operators.dense import Dense
from bnn.operators.operator import Operator
from bnn.operators.value import Value

__all__ = ["Bias", "Convolution", "Dense", "Operator", "Value"]
