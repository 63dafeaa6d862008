"""Objectives: losses built from likelihood, draws and ledger."""

from bnn.objectives.bound_gradients import VIMCO, BoundGradient, DoublyReparameterized, Plain
from bnn.objectives.importance_weighted import ImportanceWeightedBound
from bnn.objectives.negative_elbo import NegativeELBO, Sampled, Terms
from bnn.objectives.renyi_bound import RenyiBound
from bnn.objectives.sticking_the_landing import StickingTheLanding
from bnn.objectives.surrogate import surrogate

__all__ = [
    "VIMCO",
    "BoundGradient",
    "DoublyReparameterized",
    "ImportanceWeightedBound",
    "NegativeELBO",
    "Plain",
    "RenyiBound",
    "Sampled",
    "StickingTheLanding",
    "Terms",
    "surrogate",
]
