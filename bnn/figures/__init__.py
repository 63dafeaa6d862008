"""Figures of a run, from plain arrays to PNG files."""

from bnn.figures.gradient_noise import gradient_noise, has_gradient_noise
from bnn.figures.learning_curve import learning_curve
from bnn.figures.predictive import predictive_band, predictive_intervals
from bnn.figures.reliability import reliability_diagram

__all__ = [
    "gradient_noise",
    "has_gradient_noise",
    "learning_curve",
    "predictive_band",
    "predictive_intervals",
    "reliability_diagram",
]
