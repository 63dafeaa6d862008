"""Bayesian neural networks on TensorFlow and Keras 3, every estimator proved."""

import os
import sys

if "bnn.run" in sys.orig_argv:
    # TensorFlow greets with a page of C++ log lines; the runner's output is for people. This has to
    # happen before TensorFlow is imported, and the package is imported before its runner.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from bnn import closed_forms as _closed_forms  # noqa: F401  (registers them)
from bnn import estimators, layers, likelihoods, models, objectives, posteriors, priors, schedules
from bnn.draw import Draw
from bnn.ledger import ledger
from bnn.noise import Noise
from bnn.prediction import predict
from bnn.sites import sites

__all__ = [
    "Draw",
    "Noise",
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
