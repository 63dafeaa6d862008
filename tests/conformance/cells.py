"""The table: estimators, layers and posteriors that the contract is checked on."""

from bnn import estimators as e
from bnn import layers, operators
from bnn.posteriors import Exponential, MeanFieldNormal, Point, Softplus

# Name: layer or operator, then the arguments of check_estimator that say its shapes.
LAYERS = {
    "dense": (layers.Dense(2), {"input_shape": (3, 3)}),
    "dense_positions": (layers.Dense(2), {"input_shape": (2, 3, 3)}),
    "conv1d": (layers.Conv1D(2, 2), {"input_shape": (2, 4, 2)}),
    "conv1d_causal": (
        layers.Conv1D(2, 2, padding="causal", dilation_rate=2),
        {"input_shape": (2, 4, 2)},
    ),
    "conv2d_strided": (
        layers.Conv2D(2, 2, strides=(2, 1), padding="same"),
        {"input_shape": (2, 3, 2, 2)},
    ),
    "conv2d_dilated": (layers.Conv2D(2, 2, dilation_rate=(2, 1)), {"input_shape": (2, 4, 2, 2)}),
    "conv2d_grouped": (layers.Conv2D(4, (2, 1), groups=2), {"input_shape": (2, 3, 1, 4)}),
    "conv2d_channels_first": (
        layers.Conv2D(2, 2, data_format="channels_first"),
        {"input_shape": (2, 2, 3, 2)},
    ),
    "conv3d": (layers.Conv3D(2, (2, 1, 2)), {"input_shape": (2, 2, 2, 2, 1)}),
    "bias": (operators.Bias(), {"input_shape": (3, 1), "weight_shape": (3,)}),
}

# Factories: baselines with a memory must not be shared between reports.
ESTIMATORS = {
    "mean": e.Mean,
    "reparameterization": e.Reparameterization,
    "local": e.LocalReparameterization,
    "flipout": e.Flipout,
    "score": e.ScoreFunction,
    "score_leave_one_out": lambda: e.ScoreFunction(e.LeaveOneOut()),
    "score_optimal": lambda: e.ScoreFunction(e.OptimalCoefficient()),
    "score_running_mean": lambda: e.ScoreFunction(e.RunningMean()),
    "score_importance": lambda: e.ScoreFunction(e.LeaveOneOut(), e.DefensiveMixture(1.5)),
    "local_and_score": lambda: e.BySite(
        {"*/kernel": e.LocalReparameterization()}, e.ScoreFunction(e.LeaveOneOut())
    ),
    "score_and_flipout": lambda: e.BySite(
        {"*/kernel": e.ScoreFunction(e.LeaveOneOut())}, e.Flipout()
    ),
    "flipout_and_importance": lambda: e.BySite(
        {"*/kernel": e.Flipout()}, e.ScoreFunction(proposal=e.DefensiveMixture(1.5))
    ),
    "reparameterization_and_mean": lambda: e.BySite({"*/bias": e.Mean()}, e.Reparameterization()),
}

POSTERIORS = {
    "softplus": MeanFieldNormal(0.5, Softplus()),
    "exponential": MeanFieldNormal(0.5, Exponential()),
    "point": Point(),
}

PLAIN = ("reparameterization", "local", "flipout", "score_leave_one_out")
AWKWARD = (
    "dense_positions",
    "conv1d_causal",
    "conv2d_dilated",
    "conv2d_grouped",
    "conv2d_channels_first",
    "conv3d",
)
MIXED = ("local_and_score", "score_and_flipout", "flipout_and_importance")

# Every estimator, layer and posterior of the table at least once.
EVERYDAY = [
    ("mean", "dense", "softplus"),
    ("reparameterization", "dense_positions", "exponential"),
    ("reparameterization", "conv2d_grouped", "softplus"),
    ("local", "conv1d_causal", "softplus"),
    ("local", "conv2d_strided", "exponential"),
    ("flipout", "conv2d_dilated", "softplus"),
    ("flipout", "conv3d", "exponential"),
    ("flipout", "conv2d_channels_first", "point"),
    ("score", "bias", "exponential"),
    ("score_leave_one_out", "conv1d", "exponential"),
    ("score_optimal", "dense", "softplus"),
    ("score_running_mean", "bias", "softplus"),
    ("score_importance", "bias", "softplus"),
    *((estimator, "dense", "softplus") for estimator in MIXED),
    ("reparameterization_and_mean", "dense", "exponential"),
]

# Where the everyday run compiles the noise itself, in a graph and under XLA.
EVERYDAY_MODES = [("local", "bias", "softplus"), ("score_running_mean", "bias", "exponential")]

# The four plain estimators on every layer, the two scales in turn; every estimator on a dense
# layer, and the mixed ones on a convolution.
LONG = sorted(
    {
        *(
            (estimator, layer, ("softplus", "exponential")[(i + j) % 2])
            for i, estimator in enumerate(PLAIN)
            for j, layer in enumerate(LAYERS)
        ),
        *((estimator, "dense", "exponential") for estimator in ESTIMATORS),
        *((estimator, "conv2d_strided", "softplus") for estimator in MIXED),
        *((estimator, "dense", "point") for estimator in PLAIN),
    }
    - set(EVERYDAY)
)
LONG_MODES = sorted(
    {
        *(
            (estimator, layer, ("softplus", "exponential")[(i + j) % 2])
            for i, estimator in enumerate(PLAIN[:3])
            for j, layer in enumerate(AWKWARD)
        ),
        *((estimator, "bias", "softplus") for estimator in ESTIMATORS if "and" not in estimator),
        *((estimator, "dense", "softplus") for estimator in MIXED),
    }
    - set(EVERYDAY_MODES)
)


def arguments(estimator, layer, posterior):
    """Positional and named arguments of check_estimator for a cell."""
    subject, shapes = LAYERS[layer]
    return (ESTIMATORS[estimator](), subject, POSTERIORS[posterior]), shapes
