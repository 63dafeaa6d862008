"""KL(q ‖ p) of one tensor: closed forms by pair of families, and what is done without one."""

from bnn.divergences import closed_forms  # noqa: F401  (registers them)
from bnn.divergences.divergence import (
    KLChoice,
    KLEstimate,
    MonteCarlo,
    Quadrature,
    estimate_at,
    kl_terms,
    register_kl,
)

__all__ = [
    "KLChoice",
    "KLEstimate",
    "MonteCarlo",
    "Quadrature",
    "estimate_at",
    "kl_terms",
    "register_kl",
]
