"""What the recipe of the 2×400 rows was chosen among, on validation data."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from bnn.training import write_json
from experiments.image_runs import Job
from experiments.mnist.cases import NUM_SAMPLES, PRIORS, Prior, mixture

FILENAME = "validation.json"
# Of the 60,000 training images.
NUM_VALID = 10_000
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A prior, and how the KL's weight rises.

    Attributes:
      name: of the run.
      prior: of every kernel and bias.
      warmup: share of training over which the KL's weight rises from 0 to 1.
      epochs: passes over the 50,000 images that are left.
    """

    name: str
    prior: Prior
    warmup: float = 0.8
    epochs: int = 40

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


def validate(folder: Path, num_samples: int = NUM_SAMPLES) -> dict[str, float]:
    """Error and NLL of a run on its validation part, and its bound; what is there is read.

    The bound is the negative ELBO per training image with the whole KL, nats: the mean NLL of the
    steps since the last report but one, plus the last KL / N.

    Args:
      folder: of a run that has ended.
      num_samples: weight samples.

    Raises:
      ValueError: the numbers that are there are of another number of samples.
    """
    path = folder / FILENAME
    if path.exists():
        held: dict[str, float] = json.loads(path.read_text())
        if held["num_samples"] != num_samples:
            raise ValueError(
                f"{path} is of {held['num_samples']} weight samples, asked for {num_samples}; "
                "delete the file."
            )
        return held
    from bnn import metrics
    from bnn.runs.restore import restore
    from bnn.tracking import read_jsonl

    run = restore(folder)
    last = read_jsonl(folder / "metrics.jsonl")[-1]
    samples = run.predict(run.data.x_valid, num_samples)
    log_probs = run.problem.likelihood.log_probs(samples).numpy()
    values = {
        "error": metrics.error(log_probs, run.data.y_valid),
        "nll": metrics.nll(log_probs, run.data.y_valid),
        "bound": last["nll"] + last["kl"] / run.data.num_train,
        "num_valid": run.data.num_valid,
        "num_samples": num_samples,
    }
    write_json(path, values)
    return values
