"""Published results in the same protocol, to stand beside ours."""

from __future__ import annotations

import dataclasses

# Set -> (mean, spread) of test log-likelihood in nats, of RMSE in target units.
_SETS = ("bostonHousing", "concrete", "power-plant", "wine-quality-red", "yacht")


@dataclasses.dataclass(frozen=True)
class Published:
    """One row of the literature.

    Attributes:
      title: of the method.
      source: where it was published.
      spread: what follows ±: "se", the standard error over splits, or "sd", the deviation.
      splits: whether the train/test splits are the ones used here.
      protocol: how the training differs from ours.
      log_likelihood: set to mean and spread, nats per example.
      rmse: set to mean and spread, target units.
    """

    title: str
    source: str
    spread: str
    splits: str
    protocol: str
    log_likelihood: dict[str, tuple[float, float]]
    rmse: dict[str, tuple[float, float]]


def _row(*pairs: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return dict(zip(_SETS, pairs, strict=True))


PUBLISHED = (
    Published(
        "VI (Graves)",
        "Hernández-Lobato & Adams 2015",
        "se",
        "the same 20",
        "same network; 40 epochs; hyper-parameters by the method itself",
        _row((-2.90, 0.07), (-3.39, 0.02), (-2.89, 0.01), (-0.98, 0.01), (-3.43, 0.16)),
        _row((4.32, 0.29), (7.19, 0.12), (4.33, 0.04), (0.65, 0.01), (6.89, 0.67)),
    ),
    Published(
        "PBP",
        "Hernández-Lobato & Adams 2015",
        "se",
        "the same 20",
        "same network; 40 epochs; hyper-parameters by the method itself",
        _row((-2.57, 0.09), (-3.16, 0.02), (-2.84, 0.01), (-0.97, 0.01), (-1.63, 0.02)),
        _row((3.01, 0.18), (5.67, 0.09), (4.12, 0.03), (0.64, 0.01), (1.02, 0.05)),
    ),
    Published(
        "MC dropout, 2016",
        "Gal & Ghahramani 2016",
        "se",
        "the same 20",
        "same network; rate and noise by grid search on validation data",
        _row((-2.46, 0.06), (-3.04, 0.02), (-2.80, 0.01), (-0.93, 0.01), (-1.55, 0.03)),
        _row((2.97, 0.19), (5.23, 0.12), (4.02, 0.04), (0.62, 0.01), (1.11, 0.09)),
    ),
    Published(
        "MC dropout, 2018, converged",
        "Mukhoti, Stenetorp & Gal 2018",
        "se",
        "the same 20",
        "same network; 4000 epochs; rate and noise by grid search; 10,000 passes",
        _row((-2.402, 0.042), (-2.937, 0.025), (-2.808, 0.009), (-0.928, 0.013), (-1.250, 0.015)),
        _row((2.904, 0.177), (4.826, 0.161), (4.014, 0.037), (0.622, 0.008), (0.666, 0.049)),
    ),
    Published(
        "Deep ensemble",
        "Lakshminarayanan, Pritzel & Blundell 2017",
        "sd",
        "20, not stated to be the same",
        "5 networks of 50 units, noise by input, 40 epochs",
        _row((-2.41, 0.25), (-3.06, 0.18), (-2.79, 0.04), (-0.94, 0.12), (-1.18, 0.21)),
        _row((3.28, 1.00), (6.03, 0.58), (4.11, 0.17), (0.64, 0.04), (1.58, 0.48)),
    ),
    Published(
        "Bayes by Backprop",
        "a community reproduction",
        "sd",
        "not stated to be the same",
        "mean-field VI with weight sampling",
        _row((-2.638, 0.409), (-3.260, 0.156), (-2.935, 0.069), (-0.968, 0.064), (-1.449, 0.086)),
        _row((3.313, 0.963), (5.789, 0.436), (4.218, 0.150), (0.641, 0.038), (0.968, 0.224)),
    ),
)
# What this study set out to reach, in nats per example.
GOALS = {
    "bostonHousing": -2.46,
    "concrete": -3.07,
    "power-plant": -2.82,
    "wine-quality-red": -0.95,
    "yacht": -1.00,
}
