"""What a prediction says, and how sure its Monte-Carlo estimate is."""

from bnn.predictive.predictive import Predictive, predictive

__all__ = ["Predictive", "predictive"]
