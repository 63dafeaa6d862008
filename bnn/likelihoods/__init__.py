"""Likelihoods: log p(y given outputs), and predictive distributions."""

from bnn.likelihoods.bernoulli import Bernoulli
from bnn.likelihoods.beta import Beta
from bnn.likelihoods.categorical import Categorical
from bnn.likelihoods.class_mixture import ClassMixture
from bnn.likelihoods.columns import Columns
from bnn.likelihoods.gamma import Gamma
from bnn.likelihoods.heads import Heads
from bnn.likelihoods.heteroscedastic_normal import HeteroscedasticNormal
from bnn.likelihoods.laplace import Laplace
from bnn.likelihoods.likelihood import Classification, Likelihood
from bnn.likelihoods.log_normal import LogNormal
from bnn.likelihoods.mixture import Mixture
from bnn.likelihoods.mixture_density import MixtureDensity
from bnn.likelihoods.multivariate_normal import MultivariateNormal
from bnn.likelihoods.negative_binomial import NegativeBinomial
from bnn.likelihoods.normal import Normal
from bnn.likelihoods.ordinal import Ordinal
from bnn.likelihoods.poisson import Poisson
from bnn.likelihoods.positions import Positions
from bnn.likelihoods.quantile import Quantile
from bnn.likelihoods.regression import NormalRegression
from bnn.likelihoods.soft_categorical import SoftCategorical
from bnn.likelihoods.student_t import StudentT
from bnn.likelihoods.weibull import SurvivalMixture, Weibull
from bnn.likelihoods.zero_inflated_poisson import ZeroInflatedPoisson

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "ClassMixture",
    "Classification",
    "Columns",
    "Gamma",
    "Heads",
    "HeteroscedasticNormal",
    "Laplace",
    "Likelihood",
    "LogNormal",
    "Mixture",
    "MixtureDensity",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "NormalRegression",
    "Ordinal",
    "Poisson",
    "Positions",
    "Quantile",
    "SoftCategorical",
    "StudentT",
    "SurvivalMixture",
    "Weibull",
    "ZeroInflatedPoisson",
]
