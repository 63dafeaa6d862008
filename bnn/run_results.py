"""What a run that has ended leaves behind in words and numbers: results, ledger and summary."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from bnn.data import Dataset
from bnn.diagnostics import ledger_report
from bnn.divergences import MonteCarlo
from bnn.inference import Method, Problem, evaluate
from bnn.ledger import ledger
from bnn.provenance import git_revision, versions
from bnn.tracking import Console, RunInfo
from bnn.training import write_text

_KL_SAMPLES = 32


def final_results(
    problem: Problem, method: Method, data: Dataset, samples: tf.Tensor
) -> dict[str, Any]:
    """What `results.json` says of the trained model, but for what the run itself adds.

    Args:
      problem: trained.
      method: says how, and what posterior that gives.
      data: with the test part.
      samples: outputs `[S, B, …]` for the test part.
    """
    kl = {
        name: float(value)
        for name, value in ledger(
            problem.model, seed=problem.seed, step=problem.total_steps, kl=MonteCarlo(_KL_SAMPLES)
        ).items()
    }
    return {
        "data": data.name,
        "test": evaluate(problem.likelihood, samples, data.y_test, data),
        "num_predict_samples": int(samples.shape[0]),
        **method.describe(),
        "estimator": problem.estimator.describe(),
        "kl": {"total": sum(kl.values()), **kl},
        "num_train": data.num_train,
        "num_test": data.num_test,
        "num_parameters": problem.model.count_params(),
        "steps": problem.total_steps,
        "seed": problem.seed,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "git_revision": git_revision(),
    }


def write_ledger(
    folder: Path, problem: Problem, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Writes `ledger.md`, logs its warnings, and returns the report as JSON values.

    Args:
      folder: of the run.
      problem: trained.
      records: lines of `metrics.jsonl`; the last one's NLL is what the KL is compared with.
    """
    nll = records[-1]["nll"] if records else None
    report = ledger_report(problem.model, problem.num_train, nll, problem.seed)
    write_text(folder / "ledger.md", str(report))
    for warning in report.warnings:
        logging.getLogger("absl").warning("%s", warning)
    return dataclasses.asdict(report) | {
        "sites": [_finite(dataclasses.asdict(site)) for site in report.sites],
        "warnings": list(report.warnings),
    }


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with infinities, which JSON lacks, as None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def show_finished(path: Path, results: Mapping[str, Any]) -> None:
    """Shows the results of a run that has ended already."""
    logging.getLogger("absl").warning(
        "workdir %s holds this very run, finished: nothing was repeated.", path
    )
    console = Console()
    console.start(RunInfo(workdir=path, name=path.name))
    console.finish(summary(results, path))


def summary(results: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a person wants to see of the results."""
    names = ("data", "method", "posterior", "estimator", "num_predict_samples", "steps", "seed")
    summary: dict[str, Any] = {name: results[name] for name in names if name in results}
    summary |= {f"test {name}": value for name, value in results["test"].items()}
    summary["KL, nats"] = results["kl"]["total"]
    summary["seconds of training"] = results["seconds"]["train"]
    summary["files"] = str(path)
    return summary
