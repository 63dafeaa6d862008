"""Bayesian neural networks on TensorFlow and Keras 3, every estimator proved."""

import os
import sys

if "bnn.run" in sys.orig_argv:
    # TensorFlow greets with a page of C++ log lines; the runner's output is for people. This has to
    # happen before TensorFlow is imported, and the package is imported before its runner.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from bnn import estimators, layers, likelihoods, models, objectives, posteriors, priors, schedules
from bnn.draw import Draw
from bnn.kl import ledger, sites
from bnn.prediction import predict
from bnn.predictive import predictive

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
    "predictive",
    "priors",
    "schedules",
    "sites",
]
