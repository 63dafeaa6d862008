"""Bayesian neural networks on TensorFlow and Keras 3, every estimator proved."""

from bnn import estimators, layers, likelihoods, models, objectives, posteriors, priors, schedules
from bnn.draw import Draw
from bnn.kl import ledger, sites
from bnn.prediction import predict

__all__ = [
    "Draw",
    "estimators",
    "layers",
    "ledger",
    "likelihoods",
    "models",
    "objectives",
    "posteriors",
    "predict",
    "priors",
    "schedules",
    "sites",
]
