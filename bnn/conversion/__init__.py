"""From a Keras model to a Bayesian one, and back."""

from bnn.conversion.convert import convert
from bnn.conversion.moped import moped
from bnn.conversion.table import Conversion, Row
from bnn.conversion.to_keras import to_keras

__all__ = ["Conversion", "Row", "convert", "moped", "to_keras"]
