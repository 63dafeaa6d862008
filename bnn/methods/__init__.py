"""Inference methods, one a file, and the probe that compares estimators while one trains."""

from bnn.methods.anchored_map import AnchoredMAP
from bnn.methods.conditional_last_layer import ConditionalLastLayer
from bnn.methods.ddu import DDU
from bnn.methods.deep_ensemble import DeepEnsemble
from bnn.methods.gradient_noise import GradientNoise, GradientNoiseProbe
from bnn.methods.hmc import HMC
from bnn.methods.ivon import IVON
from bnn.methods.laplace import Laplace
from bnn.methods.map import MAP
from bnn.methods.mc_dropout import MCDropout
from bnn.methods.mclmc import MCLMC
from bnn.methods.method import Method
from bnn.methods.moment_propagation import MomentPropagation
from bnn.methods.nuts import NUTS
from bnn.methods.problem import Problem
from bnn.methods.sghmc import SGHMC
from bnn.methods.sgld import SGLD
from bnn.methods.snapshot_ensemble import SnapshotEnsemble
from bnn.methods.sngp import SNGP
from bnn.methods.stacked_ensemble import StackedEnsemble
from bnn.methods.swag import SWA, SWAG
from bnn.methods.variational_inference import VariationalInference
from bnn.methods.vbll import VBLL
from bnn.training import Archive, Info

__all__ = [
    "DDU",
    "HMC",
    "IVON",
    "MAP",
    "MCLMC",
    "NUTS",
    "SGHMC",
    "SGLD",
    "SNGP",
    "SWA",
    "SWAG",
    "VBLL",
    "AnchoredMAP",
    "Archive",
    "ConditionalLastLayer",
    "DeepEnsemble",
    "GradientNoise",
    "GradientNoiseProbe",
    "Info",
    "Laplace",
    "MCDropout",
    "Method",
    "MomentPropagation",
    "Problem",
    "SnapshotEnsemble",
    "StackedEnsemble",
    "VariationalInference",
]
