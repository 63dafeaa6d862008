"""Likelihoods: log p(y given outputs), and predictive distributions."""

from bnn.likelihoods.categorical import Categorical
from bnn.likelihoods.class_mixture import ClassMixture
from bnn.likelihoods.columns import Columns
from bnn.likelihoods.heteroscedastic_normal import HeteroscedasticNormal
from bnn.likelihoods.likelihood import Classification, Likelihood
from bnn.likelihoods.mixture import Mixture
from bnn.likelihoods.normal import Normal
from bnn.likelihoods.regression import NormalRegression
from bnn.likelihoods.soft_categorical import SoftCategorical

__all__ = [
    "Categorical",
    "ClassMixture",
    "Classification",
    "Columns",
    "HeteroscedasticNormal",
    "Likelihood",
    "Mixture",
    "Normal",
    "NormalRegression",
    "SoftCategorical",
]
