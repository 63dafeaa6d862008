"""What the study was to show."""

from __future__ import annotations

from typing import NamedTuple

from experiments.mnist.cases import BEST, mlp


class Goal(NamedTuple):
    """Upper bounds of a case's means over seeds.

    Attributes:
      case: name of the case.
      title: what the table says.
      error: a fraction.
      nll: nats per example.
    """

    case: str
    title: str
    error: float
    nll: float


GOALS = (
    Goal(mlp("mnist", BEST).name, "MNIST, 2×400, whole KL, best prior", 0.020, 0.080),
    Goal(mlp("mnist", BEST, kl_weight=0.1).name, "MNIST, 2×400, KL × 0.1", 0.016, 0.060),
    Goal("lenet-mnist-whole", "MNIST, LeNet-5, whole KL", 0.012, 0.040),
    Goal("lenet-fashion_mnist-whole", "Fashion-MNIST, LeNet-5, whole KL", 0.100, 0.285),
)
