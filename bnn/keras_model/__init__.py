"""A Bayesian network with Keras's compile, fit, evaluate and predict."""

from bnn.keras_model.model import BayesianModel

__all__ = ["BayesianModel"]
