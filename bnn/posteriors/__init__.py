"""Variational families q(w) of one weight tensor."""

from bnn.posteriors.batch_ensemble import BatchEnsemble
from bnn.posteriors.coupling_flow import CouplingFlow
from bnn.posteriors.dropout import ConcreteDropout, MCDropout
from bnn.posteriors.full_covariance_normal import FullCovarianceNormal
from bnn.posteriors.group_horseshoe import GroupHorseshoe
from bnn.posteriors.k_tied_normal import KTiedNormal
from bnn.posteriors.kronecker import Kronecker
from bnn.posteriors.low_rank_normal import LowRankNormal
from bnn.posteriors.matrix_normal import MatrixNormal
from bnn.posteriors.mean_field_normal import MeanFieldNormal
from bnn.posteriors.mixture import Mixture
from bnn.posteriors.multiplicative import Multiplicative
from bnn.posteriors.point import Point, chosen, points
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.radial import Radial
from bnn.posteriors.rank_one import RankOne
from bnn.posteriors.scales import Exponential, ScaleTransform, Softplus
from bnn.posteriors.spike_and_slab_normal import SpikeAndSlabNormal
from bnn.posteriors.terms import Elementwise, LowRank, Term
from bnn.posteriors.variational_dropout import VariationalDropout

__all__ = [
    "BatchEnsemble",
    "ConcreteDropout",
    "CouplingFlow",
    "Elementwise",
    "Exponential",
    "FullCovarianceNormal",
    "GroupHorseshoe",
    "KTiedNormal",
    "Kronecker",
    "LowRank",
    "LowRankNormal",
    "MCDropout",
    "MatrixNormal",
    "MeanFieldNormal",
    "Mixture",
    "Multiplicative",
    "Point",
    "Posterior",
    "Radial",
    "RankOne",
    "ScaleTransform",
    "Softplus",
    "SpikeAndSlabNormal",
    "Term",
    "VariationalDropout",
    "chosen",
    "points",
]
