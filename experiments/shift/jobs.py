"""The runs of the study, which `experiments/mnist` reads, too: LeNet-5, a set, a fit, a seed."""

from __future__ import annotations

import dataclasses

from experiments.image_runs import Job

EPOCHS = 15
# Trained on: the sets that are foreign to it.
FOREIGN = {
    "mnist": ("fashion_mnist", "kmnist"),
    "fashion_mnist": ("mnist", "kmnist"),
}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "kmnist": "KMNIST"}
_FILES = {"mnist": "mnist_lenet.gin", "fashion_mnist": "fashion_lenet.gin"}


@dataclasses.dataclass(frozen=True)
class Arm:
    """A way to fit the model.

    Attributes:
      name: part of the folder's name.
      title: what tables say.
      bindings: gin bindings beside the file.
      random: whether the fitted weights are random; of fixed ones one sample is all there is.
    """

    name: str
    title: str
    bindings: tuple[str, ...] = ()
    random: bool = True


ARMS = (
    Arm(
        "map",
        "MAP (`Point`)",
        (
            "run.estimator = @Mean()",
            "lenet5.kernel_posterior = @Point()",
            "lenet5.bias_posterior = @Point()",
        ),
        random=False,
    ),
    Arm("whole", "mean field, whole KL"),
    Arm("tempered", "mean field, KL × 0.1", ("kl/LinearWarmup.value = 0.1",)),
)


@dataclasses.dataclass(frozen=True)
class Fit:
    """LeNet-5 fitted to a set, once."""

    data: str
    arm: Arm
    seed: int

    def job(self, epochs: float) -> Job:
        """The run of so many epochs."""
        return Job(
            f"lenet-{self.data}-{self.arm.name}-{self.seed}",
            _FILES[self.data],
            (f"run.epochs = {epochs:g}", *self.arm.bindings),
            self.seed,
        )
