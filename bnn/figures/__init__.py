"""Figures of runs, from plain arrays to PNG files."""

from bnn.figures.curves import risk_coverage_curves, sample_size_curves
from bnn.figures.gradient_noise import gradient_noise, has_gradient_noise
from bnn.figures.histograms import entropy_histograms
from bnn.figures.learning_curve import learning_curve
from bnn.figures.learning_curves import learning_curves
from bnn.figures.predictive import MAX_TARGETS, predictive_band, predictive_intervals
from bnn.figures.quantile_calibration import quantile_calibration
from bnn.figures.reliability import reliability_diagram
from bnn.figures.search import search_trials
from bnn.figures.series import MAX_SERIES
from bnn.figures.site_bars import site_bars

__all__ = [
    "MAX_SERIES",
    "MAX_TARGETS",
    "entropy_histograms",
    "gradient_noise",
    "has_gradient_noise",
    "learning_curve",
    "learning_curves",
    "predictive_band",
    "predictive_intervals",
    "quantile_calibration",
    "reliability_diagram",
    "risk_coverage_curves",
    "sample_size_curves",
    "search_trials",
    "site_bars",
]
