"""From a Keras model to a Bayesian one, and back."""

from bnn.conversion.convert import convert
from bnn.conversion.match_priors import match_priors
from bnn.conversion.moped import moped
from bnn.conversion.table import Conversion, Row
from bnn.conversion.to_keras import to_keras

__all__ = ["Conversion", "Row", "convert", "match_priors", "moped", "to_keras"]
