"""Variational families q(w) of one weight tensor."""

from bnn.posteriors.mean_field_normal import MeanFieldNormal
from bnn.posteriors.point import Point
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.scales import Exponential, ScaleTransform, Softplus
from bnn.posteriors.terms import Elementwise, LowRank, Term

__all__ = [
    "Elementwise",
    "Exponential",
    "LowRank",
    "MeanFieldNormal",
    "Point",
    "Posterior",
    "ScaleTransform",
    "Softplus",
    "Term",
]
