"""Log-probabilities of every sample, of which a joint likelihood is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnn.evaluation.positions import position_log_probs
from bnn.evaluation.predictives import log_probs_by_sample, own_units, units
from bnn.likelihoods import Likelihood, Positions, Weibull


def sample_log_probs(
    likelihood: Likelihood, outputs: Any, targets: Any, scaling: Any
) -> np.ndarray:
    """Log p(y_b | outputsₛ), `[S, B]`, nats, a density of the targets' own units.

    Args:
      likelihood: any but several heads.
      outputs: `[S, B, …]`.
      targets: as the data set holds them.
      scaling: of the targets.
    """
    if isinstance(likelihood, Positions):
        return position_log_probs(likelihood, outputs, targets, scaling)
    if isinstance(likelihood, Weibull):
        unit = 1.0 if scaling is None or scaling.scale is None else float(scaling.scale[0])
        own = np.asarray(targets, np.float64) * [unit, 1.0]
        return log_probs_by_sample(likelihood, outputs, own, scale=unit)
    scales = units(scaling)
    own = own_units(targets, scaling) if scales else targets
    return log_probs_by_sample(likelihood, outputs, own, **scales)
