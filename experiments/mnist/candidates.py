"""What the recipe of the 2×400 rows was chosen among, on validation data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from bnn.tracking import read_jsonl
from experiments.mnist.cases import NUM_SAMPLES, PRIORS, Prior, mixture
from experiments.records import recorded
from experiments.runs import Job
from experiments.trained import log_probs, restore, scores

FILENAME = "validation.json"
# Of the 60,000 training images.
NUM_VALID = 10_000
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A prior, and how the KL's weight rises."""

    name: str  # of the run
    prior: Prior  # of every kernel and bias
    warmup: float = 0.8  # share of training over which the KL's weight rises from 0 to 1
    epochs: int = 40  # passes over the 50,000 images that are left

    def job(self, more: tuple[str, ...] = ()) -> Job:
        """The run, with `more` bindings."""
        bindings = (
            f"run.epochs = {self.epochs}",
            "run.report_every = 10",
            f"run.num_predict_samples = {NUM_SAMPLES}",
            f"kl/LinearWarmup.fraction = {self.warmup:g}",
            f"mnist.validation_fraction = {NUM_VALID / 60_000:.8f}",
            *self.prior.bindings,
        )
        return Job(f"candidate-{self.name}", "mnist_mlp.gin", (*bindings, *more), _SEED)


CANDIDATES = (
    Candidate("normal-0.5", PRIORS["normal"], warmup=0.5),
    Candidate("learned-0.5", PRIORS["learned"], warmup=0.5),
    Candidate("learned-0.8", PRIORS["learned"]),
    Candidate("learned-0.8-60", PRIORS["learned"], epochs=60),
    Candidate("mixture-0.5", mixture(0.25, 0.3, 0.02), warmup=0.5),
    Candidate("mixture-0.8", mixture(0.25, 0.3, 0.02)),
    Candidate("mixture-0.05-0.8", mixture(0.05, 0.3, 0.02)),
    Candidate("mixture-narrow-0.05", mixture(0.25, 0.3, 0.05)),
)


def validate(folder: Path, num_samples: int = NUM_SAMPLES) -> dict[str, Any]:
    """Error and NLL of a run on its validation part, and its bound; what is there is read.

    The bound is the negative ELBO per training image with the whole KL, nats: the mean NLL of the
    steps since the last report but one, plus the last KL / N.

    Args:
      folder: of a run that has ended.
      num_samples: weight samples.

    Raises:
      ValueError: the numbers that are there are of another number of samples.
    """
    return recorded(
        folder / FILENAME, {"num_samples": num_samples}, lambda: _validate(folder, num_samples)
    )


def _validate(folder: Path, num_samples: int) -> dict[str, float]:
    run = restore(folder)
    last = read_jsonl(folder / "metrics.jsonl")[-1]
    return {
        **scores(log_probs(run, run.data.x_valid, num_samples), run.data.y_valid, ("error", "nll")),
        "bound": last["nll"] + last["kl"] / run.data.num_train,
        "num_valid": run.data.num_valid,
    }
