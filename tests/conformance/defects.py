"""Every planted defect: what the contract must catch.

Those of `tfp.layers`, Edward2, blitz and bayesian-torch that were read in their sources, and the
ones that a new class is likely to have. Every defect names the check that has to fail.
"""

from defective_estimators import FLIPOUT, LOCAL
from defective_models import LAYERS, POSTERIORS
from defective_objectives import LEDGER, OBJECTIVES
from defective_samples import NOISE, SAMPLES
from defective_scores import BASELINES, BIASED_BASELINES, SCORE

DEFECTS = [
    *FLIPOUT,
    *LOCAL,
    *SAMPLES,
    *NOISE,
    *SCORE,
    *BASELINES,
    *OBJECTIVES,
    *LEDGER,
    *POSTERIORS,
    *LAYERS,
]

__all__ = ["BIASED_BASELINES", "DEFECTS"]
