"""What a run that has ended leaves behind in words and numbers: results, ledger and summary."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn.data import Dataset
from bnn.data.checked_examples import checked
from bnn.diagnostics import constant_warning, ledger_report, versus_constant
from bnn.diagnostics.constants import learned_noise
from bnn.diagnostics.heads import heads_warning, versus_of_heads
from bnn.diagnostics.mixing import mixing_warning
from bnn.divergences import MonteCarlo
from bnn.evaluation import Judged, evaluation_of, judge
from bnn.ledger import ledger
from bnn.methods import Problem
from bnn.methods.cost import described
from bnn.runs.figures import draw_figures
from bnn.runs.model_files import model_files
from bnn.runs.prediction_parts import PredictionParts
from bnn.runs.provenance import git_revision, versions
from bnn.runs.recorded_predictions import write_predictions
from bnn.runs.session import Session
from bnn.runs.units import standardizes, units_of_test
from bnn.sites import sites
from bnn.tracking import Console, RunInfo, Tracker, read_jsonl
from bnn.training import write_json, write_text

_KL_SAMPLES = 32


def write_results(
    session: Session,
    trackers: Tracker,
    best: tuple[int, float] | None,
    started: float,
    train_seconds: float,
) -> dict[str, Any]:
    """Evaluates the trained model, writes everything that the run leaves, and returns the results.

    Args:
      session: trained.
      trackers: are shown the figures and the model's files.
      best: step and score of the best checkpoint, or None.
      started: clock at the start of the training.
      train_seconds: that it took.
    """
    folder, problem, data = session.folder, session.problem, session.data
    clock = time.monotonic()
    parts = PredictionParts(folder.path / "predictions" / "test")
    test = judge(
        lambda inputs: session.method.predict(inputs, session.num_predict_samples, problem.seed),
        problem.likelihood,
        data.x_test if data.test_source is None else checked(data, data.test_source),
        data.y_test,
        data,
        num_samples=session.num_predict_samples,
        num_outputs=session.num_outputs,
        store=parts.add,
    )
    parts.finish()
    results = final_results(session, test)
    seconds = {"train": train_seconds, "evaluate": time.monotonic() - clock}
    results["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
    results["best_checkpoint"] = None if best is None else {"step": best[0], "score": best[1]}
    folder.keep(session.identity)
    write_predictions(folder.path, problem.likelihood, test, data)
    records = read_jsonl(folder.metrics)
    figures = draw_figures(folder.figures, records, problem.likelihood, test.examples, data)
    said = _constant_in_words(session, test, results.get("kl_weight", 1.0))
    warnings = [words for words in (said, mixing_warning(results)) if words]
    standardized = results["standardized_targets"]
    results["ledger"] = write_ledger(folder.path, problem, records, warnings, standardized)
    results["seconds"]["total"] = round(time.monotonic() - started, 3)
    write_json(folder.results, results)
    for name, path in figures.items():
        trackers.figure(name, path, session.plan.total_steps)
    if folder.has_checkpoint():
        trackers.artifact("checkpoint", model_files(folder))
    return results


def final_results(session: Session, test: Judged) -> dict[str, Any]:
    """What `results.json` says of the trained model, but for times and the ledger's report.

    Args:
      session: trained.
      test: predictions of the test part.
    """
    problem, data = session.problem, session.data
    step = problem.total_steps
    values = ledger(problem.model, seed=problem.seed, step=step, kl=MonteCarlo(_KL_SAMPLES))
    kl = {name: float(value) for name, value in values.items()}
    about, found = session.method.describe(), test.num_samples
    # Of methods that do not count themselves: every step takes its examples once a sample.
    examples = step * session.plan.batch_size * about.get("train_samples", 1)
    return {
        "data": data.name,
        "task": problem.likelihood.task,
        "test": evaluation_of(problem.likelihood).metrics(test.examples),
        "num_predict_samples": session.num_predict_samples,
        # Members of an ensemble, say: there may be no more.
        **({"num_functions": found} if found != session.num_predict_samples else {}),
        **(described(examples, data.num_train) if data.num_train else {}),
        **about,
        "kl": {"total": sum(kl.values()), **kl},
        "num_train": data.num_train,
        "num_test": data.num_test,
        **_augmentation(data),
        **({"target_units": dict(data.target_units)} if data.target_units else {}),
        "standardized_targets": standardizes(data),
        "num_parameters": problem.model.count_params(),
        "steps": problem.total_steps,
        "seed": problem.seed,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "git_revision": git_revision(),
    }


def _augmentation(data: Dataset) -> dict[str, list[str]]:
    """The names of the maps of the training examples, where there are some."""
    names = [type(augment).__name__ for augment in data.augmentation]
    return {"augmentation": names} if names else {}


def _constant_in_words(session: Session, test: Judged, kl_weight: float) -> str:
    """The warning of a model that predicts the test part no better than a constant, or ""."""
    task, data, prefix = session.problem.likelihood.task, session.data, "loss/"
    if task not in ("classification", "regression", "counts", "heads") or data.num_train == 0:
        return ""  # several labels and the like have no constant to be compared with
    losses = {n.removeprefix(prefix): v for n, v in test.examples.items() if n.startswith(prefix)}
    if task == "heads":
        return heads_warning(versus_of_heads(test.examples["targets"], losses))
    names = [n.partition("/")[2] for n in losses if n.startswith("squared_error")]
    noise = learned_noise(session.problem.likelihood, test.examples.get("aleatoric"))
    versus = versus_constant(data.task, test.examples["targets"], losses, names, noise)
    held = hasattr(data, "x_train") and hasattr(data, "y_train")
    train = (data.x_train, data.y_train) if held else None
    return constant_warning(session.problem.model, data.task, versus, train, kl_weight)


def write_ledger(
    folder: Path,
    problem: Problem,
    records: Sequence[Mapping[str, Any]],
    warnings: Sequence[str] = (),
    standardized: bool = False,
) -> dict[str, Any]:
    """Writes `ledger.md`, logs its warnings, and returns the report as JSON values.

    Args:
      folder: of the run.
      problem: trained.
      records: lines of `metrics.jsonl`; the last one's NLL is what the KL is compared with.
      warnings: of other things that a person should know of the trained model.
      standardized: whether that NLL is one of standardised targets.
    """
    if not sites(problem.model):  # a plain Keras model
        _log(warnings)
        return {"sites": [], "warnings": list(warnings)}
    nll = records[-1].get("nll") if records else None
    report = ledger_report(
        problem.model, problem.num_train, nll, problem.seed, standardized=standardized
    )
    report = dataclasses.replace(report, warnings=(*report.warnings, *warnings))
    write_text(folder / "ledger.md", str(report))
    _log(report.warnings)
    return dataclasses.asdict(report) | {
        "sites": [_finite(dataclasses.asdict(site)) for site in report.sites],
        "warnings": list(report.warnings),
    }


def _log(warnings: Sequence[str]) -> None:
    for warning in warnings:
        logging.getLogger("absl").warning("%s", warning)


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with infinities, which JSON lacks, as None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _is_of_points(results: Mapping[str, Any]) -> bool:
    """Whether the model's weights are points, whose ledger is −ln p(w) and no KL."""
    sites = results.get("ledger", {}).get("sites", [])
    no_noise = bool(sites) and all(site["median_snr"] is None for site in sites)
    return no_noise and results.get("estimator", "Mean") == "Mean"


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
    names = ["data", "method", "posterior", "estimator", "num_predict_samples", "num_functions"]
    names += ["steps", "seed"]
    summary: dict[str, Any] = {name: results[name] for name in names if name in results}
    if "augmentation" in results:
        summary["augmentation"] = ", ".join(results["augmentation"])
        summary["N, of the KL"] = results["num_train"]
    summary |= {f"test {name}": value for name, value in results["test"].items()}
    if units := units_of_test(results):
        summary["units of the test"] = units
    summary["−ln p(w), nats" if _is_of_points(results) else "KL, nats"] = results["kl"]["total"]
    for name, found in results.get("chains", {}).items():
        summary[f"R-hat of the {name}"] = found["r_hat"]
    summary["seconds of training"] = results["seconds"]["train"]
    summary["files"] = str(path)
    return summary
