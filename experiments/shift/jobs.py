"""The runs of the study: a model, a way to fit it, a seed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
class Job:
    """One run."""

    data: str
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"{self.data}-{self.arm.name}-{self.seed}"

    def train(self, folder: Path, epochs: float) -> None:
        """Runs the job's command; a run that has ended is left as it is.

        Raises:
          subprocess.CalledProcessError: the run failed.
        """
        if (folder / "results.json").exists():
            return
        bindings = (
            *(f"run.epochs = {epochs:g}", "run.tracker = None", f"run.seed = {self.seed}"),
            *self.arm.bindings,
        )
        command = [
            *(sys.executable, "-m", "bnn.run", f"--gin_file=gin_configs/{_FILES[self.data]}"),
            *(f"--gin_bindings={binding}" for binding in bindings),
            f"--workdir={folder}",
        ]
        subprocess.run(command, cwd=ROOT, check=True)
