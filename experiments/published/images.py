"""What the networks on MNIST say of test images and of foreign ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn import metrics
from bnn.data.image_sets import load_images
from bnn.methods import Laplace
from experiments.published.cases import NUM_SAMPLES, Case
from experiments.records import recorded, stamp
from experiments.trained import Run, log_probs, restore, scores

FOREIGN = ("fashion_mnist", "kmnist")


def evaluate(root: Path, case: Case) -> dict[str, Any]:
    """Error, NLL and ECE on the test part, and AUROC of the largest probability by foreign set.

    That is Hendrycks & Gimpel's score, which Laplace Redux takes, too.
    """
    kind = "laplace" if case.last_layer else "method"
    path = root / f"{case.job.name}.published.{kind}.json"
    asked = {"run": case.job.name, "num_samples": NUM_SAMPLES, "last_layer": case.last_layer}
    return recorded(path, asked, lambda: _evaluate(root / case.job.name, case.last_layer))


def _evaluate(folder: Path, last_layer: bool) -> dict[str, Any]:
    run = restore(folder)
    fitted = _laplace(run) if last_layer else None

    def predict(images: np.ndarray) -> np.ndarray:
        inputs = run.data.prepare_inputs(images)
        if fitted is None:
            return log_probs(run, inputs, NUM_SAMPLES)
        outputs = fitted.predict(inputs, NUM_SAMPLES, run.problem.seed)
        likelihood: Any = run.problem.likelihood
        return likelihood.log_probs(outputs).numpy()

    images, labels = load_images(run.data.name, "test")
    own = predict(images)
    sure = metrics.uncertainty_scores(own)["max_probability"]
    auroc = {}
    for name in FOREIGN:
        other = metrics.uncertainty_scores(predict(load_images(name, "test")[0]))
        auroc[name] = float(metrics.detection(sure, other["max_probability"]).auroc)
    about = {} if fitted is None else {"laplace": fitted.describe()}
    return {**scores(own, labels, ("error", "nll", "ece")), "auroc": auroc, **about, **stamp()}


def _laplace(run: Run) -> Laplace:
    """Of the last layer, its precision by the marginal likelihood."""
    laplace = Laplace("full", where="last", prior_precision="one")
    return laplace.fit(run.model, run.problem.likelihood, run.data, seed=run.problem.seed)
