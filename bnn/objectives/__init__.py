"""Objectives: losses built from likelihood, draws and ledger."""

from bnn.objectives.negative_elbo import NegativeELBO, Terms
from bnn.objectives.surrogate import surrogate

__all__ = ["NegativeELBO", "Terms", "surrogate"]
