"""The runs of the study, which `experiments/mnist` reads, too: LeNet-5, a set, a fit, a seed."""

from __future__ import annotations

import dataclasses

from experiments.runs import Job, fixed_weights

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
    """A way to fit the model."""

    name: str  # part of the folder's name
    title: str  # what tables say
    bindings: tuple[str, ...] = ()  # gin bindings beside the file
    # whether the fitted weights are random; of fixed ones one sample is all there is
    random: bool = True

    @property
    def label(self) -> str:
        """The title without Markdown, for figures."""
        return self.title.replace("`", "").replace(" (Point)", "")


ARMS = (
    Arm(
        "map",
        "MAP (`Point`)",
        fixed_weights("lenet5"),
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
