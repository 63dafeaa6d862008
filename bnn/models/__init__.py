"""Models: ordinary Keras models with Bayesian layers."""

from bnn.models.causal_transformer import causal_transformer
from bnn.models.lenet5 import lenet5
from bnn.models.lstm_classifier import lstm_classifier
from bnn.models.mlp import mlp
from bnn.models.resnet import resnet
from bnn.models.transformer_classifier import transformer_classifier
from bnn.models.vision_transformer import vision_transformer
from bnn.models.wide_resnet import wide_resnet

__all__ = [
    "causal_transformer",
    "lenet5",
    "lstm_classifier",
    "mlp",
    "resnet",
    "transformer_classifier",
    "vision_transformer",
    "wide_resnet",
]
