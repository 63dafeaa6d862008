"""Posterior predictive samples of a model's outputs."""

from bnn.prediction.compiled import fixed_batch
from bnn.prediction.functions import Draws, Functions, PriorDraws, StoredWeights
from bnn.prediction.sampling import Block, predict, predict_blocks

__all__ = [
    "Block",
    "Draws",
    "Functions",
    "PriorDraws",
    "StoredWeights",
    "fixed_batch",
    "predict",
    "predict_blocks",
]
