"""What a prediction says, and how sure its Monte-Carlo estimate is."""

from bnn.predictive.predictive import Predictive, predictive
from bnn.predictive.tolerance import Convergence

__all__ = ["Convergence", "Predictive", "predictive"]
