"""Published results beside ours."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A published row; what the source does not say is None.

    Attributes:
      network: of the source.
      method: of the source.
      error: %, test.
      nll: nats per test example.
      ece: expected calibration error.
      samples: weight samples, as the source says it.
      source: key of `SOURCES`.
    """

    network: str
    method: str
    error: float
    nll: float
    ece: float | None
    samples: str
    source: str


SOURCES = {
    "BNN": "J. Antorán, *Bayesian-Neural-Networks* (GitHub, results in its README)",
    "UB": "Nado et al. 2021, *Uncertainty Baselines* (GitHub, `baselines/mnist`)",
}


def _bnn(method: str, error: float, total: float, samples: str = "100") -> Published:
    """A row whose source gives the log-likelihood of all 10,000 test images."""
    return Published("2×1200", method, error, -total / 10_000, None, samples, "BNN")


def _ub(
    method: str, accuracy: float, nll: float, ece: float | None, samples: str = "not stated"
) -> Published:
    return Published("LeNet-5", method, round(100 - accuracy, 1), nll, ece, samples, "UB")


PUBLISHED = {
    "mnist": (
        _bnn("MAP", 1.58, -572.90, "1 (fixed weights)"),
        _bnn("bootstrap ensemble", 1.53, -496.54),
        _bnn("Bayes by Backprop, normal prior", 2.60, -1100.29),
        _bnn("Bayes by Backprop, scale mixture", 2.38, -1008.28),
        _bnn("Bayes by Backprop, Laplace prior", 2.28, -892.85),
        _bnn("local reparameterization", 2.61, -1086.43),
        _bnn("MC dropout", 1.37, -435.458),
        _bnn("SGLD", 1.76, -828.29),
        _bnn("preconditioned SGLD", 1.76, -661.25),
        _ub("deterministic", 99.1, 0.037, None, "1 (fixed weights)"),
        _ub("ensemble of 10", 99.4, 0.016, 0.005, "10 networks"),
        _ub("variational inference", 98.5, 0.048, 0.010),
        _ub("refined variational inference", 99.0, 0.034, 0.010),
    ),
    "fashion_mnist": (
        _ub("deterministic", 91.0, 0.321, None, "1 (fixed weights)"),
        _ub("ensemble of 10", 93.2, 0.200, 0.010, "10 networks"),
        _ub("variational inference", 89.5, 0.292, 0.011),
        _ub("refined variational inference", 90.6, 0.259, 0.011),
    ),
}
