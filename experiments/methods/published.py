"""Rows of the literature: the same task by methods of ours, beside what has been published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bnn import metrics
from bnn.data.image_sets import load_images
from experiments import study
from experiments.methods import kept
from experiments.methods.cases import of
from experiments.records import recorded
from experiments.runs import Job
from experiments.trained import log_probs, restore, scores

FOREIGN = {"fashion_mnist": "Fashion-MNIST", "kmnist": "KMNIST"}
_EPOCHS = 6  # of LeNet-5, or of one member of its ensemble
# Of a row: its name in tables, the factor to the unit shown there, digits, and the better sign.
_METRICS = {
    "accuracy": ("accuracy, %", 100, 2, 1),
    "nll": ("NLL, nats", 1, 4, -1),
    "ece": ("ECE", 1, 4, -1),
    **{name: (f"AUROC, {title}, %", 100, 1, 1) for name, title in FOREIGN.items()},
}


class Row(NamedTuple):
    """Images of MNIST by one method."""

    network: str  # what the table says
    title: str
    file: str  # gin file below `gin_configs/`
    bindings: tuple[str, ...]
    published: Mapping[str, str]  # metric to the figure, in the unit and with the digits of print


def _lenet(title: str, bindings: tuple[str, ...], members: int = 1, **published: str) -> Row:
    epochs = (f"run.epochs = {members * _EPOCHS}", "run.report_every = 5")
    return Row("LeNet-5", title, "mnist_lenet.gin", (*bindings, *epochs), published)


# LeNet-5's foreign sets: Daxberger et al. 2021 (ensemble of 5, last-layer Laplace by KFAC with the
# precision of the marginal likelihood and probit). Accuracy and NLL of a deterministic LeNet-5:
# Uncertainty Baselines (Nado et al. 2021). 2×400 units with dropout: an independent reproduction
# of Blundell et al. 2015.
IMAGES = {
    "map": _lenet(
        "MAP",
        of("MAP", "lenet5.kernel_posterior = @Point()", "lenet5.bias_posterior = @Point()"),
        **{"accuracy": "99.1", "nll": "0.037", "fashion_mnist": "98.9", "kmnist": "97.0"},
    ),
    "ensemble": _lenet(
        "deep ensemble of 5", of("DeepEnsemble"), 5, fashion_mnist="99.2", kmnist="98.3"
    ),
    "swag": _lenet("SWAG", of("SWAG")),
    "dropout": _lenet("MC dropout, p = 0.1", of("methods.MCDropout")),
    "last_layer": _lenet(
        "Laplace, last layer, KFAC",
        of(
            "methods.Laplace",
            'methods.Laplace.where = "last"',
            'methods.Laplace.prior_precision = "one"',
            'methods.Laplace.predictive = "probit"',
        ),
        **{"fashion_mnist": "98.5", "kmnist": "96.6"},
    ),
    "mlp_dropout": Row(
        "2×400",
        "MC dropout, p = 0.5",
        "mnist_mlp.gin",
        of("methods.MCDropout", "methods.MCDropout.rate = 0.5"),
        {"accuracy": "98.46"},
    ),
}


def jobs(epochs: float | None = None) -> dict[str, Job]:
    """All runs by name; of so many epochs where given."""
    more = () if epochs is None else (f"run.epochs = {epochs}",)
    return {
        name: Job(f"published_{name}", row.file, (*row.bindings, *more), seed=0)
        for name, row in IMAGES.items()
    }


def record(job: Job, root: Path) -> dict[str, Any]:
    """Of a run that has ended: metrics, number of functions, cost and what made it."""
    path = root / f"{job.name}.evaluated.json"
    found = recorded(path, {"run": job.name}, lambda: evaluate(root / job.name))
    del found["asked"]
    return {**found, **kept.about(job, root)}


def evaluate(folder: Path) -> dict[str, Any]:
    """Metrics of the test images and AUROC against foreign ones, by the largest probability."""
    run = restore(folder)

    def said(name: str) -> tuple[np.ndarray, np.ndarray]:
        images, labels = load_images(name, "test")
        return log_probs(run, run.data.prepare_inputs(images), run.num_predict_samples), labels

    def unsure(found: np.ndarray) -> np.ndarray:
        return metrics.uncertainty_scores(found)["max_probability"]

    own, labels = said(run.data.name)
    return {
        "functions": 1 if (own == own[:1]).all() else len(own),
        **scores(own, labels, ("accuracy", "nll", "ece")),
        **{name: metrics.detection(unsure(own), unsure(said(name)[0])).auroc for name in FOREIGN},
    }


def images_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Ours, and in brackets what has been published."""
    head = ("network", "method", *(title for title, *_ in _METRICS.values()))
    lines = []
    for name, row in IMAGES.items():
        if name not in rows:
            continue
        values, missed = [], []
        for metric, (title, factor, digits, sign) in _METRICS.items():
            ours, published = factor * rows[name][metric], row.published.get(metric)
            shown = f"{ours:.{digits}f}"
            values.append(f"{shown} ({published})" if published else shown)
            if published and not reached(ours, published, sign):
                missed.append(title.removesuffix(", %").removesuffix(", nats"))
        verdict = "–" if not row.published else ", ".join(missed) if missed else "none"
        functions = str(rows[name]["functions"])
        lines.append([row.network, row.title, *values, functions, verdict])
    return study.markdown((*head, "functions", "not reached"), lines, 2)


def reached(ours: float, published: str, sign: int) -> bool:
    """Whether ours, rounded as it was printed, is no worse; `sign` is that of the better side."""
    digits = len(published.partition(".")[2])
    return sign * (round(ours, digits) - float(published)) >= 0
