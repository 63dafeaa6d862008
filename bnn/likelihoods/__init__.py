"""Likelihoods: log p(y given outputs), and predictive distributions."""

from bnn.likelihoods.categorical import Categorical
from bnn.likelihoods.heteroscedastic_normal import HeteroscedasticNormal
from bnn.likelihoods.likelihood import Classification, Likelihood
from bnn.likelihoods.normal import Normal
from bnn.likelihoods.regression import NormalRegression

__all__ = [
    "Categorical",
    "Classification",
    "HeteroscedasticNormal",
    "Likelihood",
    "Normal",
    "NormalRegression",
]
