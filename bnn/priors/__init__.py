"""Priors p(w) of one weight tensor."""

from bnn.priors.around import Around
from bnn.priors.normal import Normal
from bnn.priors.prior import Prior
from bnn.priors.scale_mixture import ScaleMixture

__all__ = ["Around", "Normal", "Prior", "ScaleMixture"]
