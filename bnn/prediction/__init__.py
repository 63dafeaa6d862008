"""Posterior predictive samples of a model's outputs."""

from bnn.prediction.functions import Draws, Functions, StoredWeights
from bnn.prediction.sampling import Block, predict, predict_blocks

__all__ = ["Block", "Draws", "Functions", "StoredWeights", "predict", "predict_blocks"]
