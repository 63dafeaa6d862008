"""The curvature of log joints: what Laplace approximations are made of."""

from bnn.methods.curvature.diagonal import Diagonal
from bnn.methods.curvature.evidence import Evidence
from bnn.methods.curvature.full import Full
from bnn.methods.curvature.kronecker import Kronecker
from bnn.methods.curvature.low_rank import LowRank
from bnn.methods.curvature.structure import Structure
from bnn.methods.curvature.weights import Weights

STRUCTURES: dict[str, type[Structure]] = {
    kind.name: kind for kind in (Full, Diagonal, Kronecker, LowRank)
}

__all__ = [
    "STRUCTURES",
    "Diagonal",
    "Evidence",
    "Full",
    "Kronecker",
    "LowRank",
    "Structure",
    "Weights",
]
