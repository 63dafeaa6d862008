"""Deep ensembles on UCI sets, their rate chosen on validation rows, beside a publication."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments import study
from experiments.methods import kept
from experiments.methods.cases import of
from experiments.runs import Job
from experiments.uci.published import PUBLISHED

SETS = ("bostonHousing", "concrete", "yacht")
SPLITS = range(5)
RATES = (3e-3, 1e-2, 3e-2)
_SPREAD = 2.0  # standard errors that a mean over splits may be worse by
_ENSEMBLE = next(row for row in PUBLISHED if row.title == "Deep ensemble")


def _jobs(rates: Mapping[str, tuple[float, ...]], bindings: tuple[str, ...]) -> dict[str, Job]:
    ensemble = of("DeepEnsemble", "run.likelihood = @HeteroscedasticNormal()", *bindings)
    return {
        (name := f"{data}_{split}_{rate}"): Job(
            f"uci_{name}{'_chosen_by' if bindings else ''}",
            "uci.gin",
            (
                *ensemble,
                f"uci.name = {data!r}",
                f"uci.split = {split}",
                f"learning_rate/Cosine.value = {rate}",
            ),
            seed=0,
        )
        for data, tried in rates.items()
        for rate in tried
        for split in SPLITS
    }


def rate_jobs(fast: bool = False) -> dict[str, Job]:
    """Trainings on four fifths of a training part, every rate on every split."""
    more = ("run.epochs = 1",) if fast else ()
    return _jobs(
        dict.fromkeys(SETS, RATES),
        ("uci.validation_fraction = 0.2", "run.report_every = 500", *more),
    )


def validation(job: Job, root: Path) -> dict[str, Any]:
    """The NLL of the validation rows as the run reports it at its end, and what made it."""
    last = (root / job.name / "metrics.jsonl").read_text().splitlines()[-1]
    return {"valid_nll": json.loads(last)["valid_nll"], **kept.about(job, root)}


def chosen(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Of each set whose trainings have all ended, the rate with the least mean validation NLL."""
    found = {}
    for data in SETS:
        names = {rate: [f"{data}_{split}_{rate}" for split in SPLITS] for rate in RATES}
        if all(name in rows for tried in names.values() for name in tried):
            mean = {r: np.mean([rows[n]["valid_nll"] for n in names[r]]) for r in RATES}
            found[data] = min(RATES, key=lambda rate: mean[rate])
    return found


def jobs(rates: Mapping[str, float], fast: bool = False) -> dict[str, Job]:
    """Trainings on whole training parts, of sets whose rate is chosen."""
    return _jobs({d: (rate,) for d, rate in rates.items()}, ("run.epochs = 1",) if fast else ())


def record(job: Job, root: Path) -> dict[str, Any]:
    """Log-likelihood and RMSE of the test part, cost and what made it."""
    test = (job.results(root) or {})["test"]
    found = {name: test[name] for name in ("log_likelihood", "rmse")}
    return {**found, **kept.about(job, root)}


def rates_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Mean validation NLL by rate, the chosen one in bold."""
    best, lines = chosen(rows), []
    for data in best:
        line = [data]
        for rate in RATES:
            values = [rows[f"{data}_{split}_{rate}"]["valid_nll"] for split in SPLITS]
            cell = study.minus(study.mean_error(values, 3))
            line.append(f"**{cell}**" if rate == best[data] else cell)
        lines.append(line)
    return study.markdown(["set", *(f"{rate:g}" for rate in RATES)], lines, 1)


def table(rows: Mapping[str, Mapping[str, Any]], rates: Mapping[str, float]) -> str:
    """Log-likelihood and RMSE, means over splits, beside Lakshminarayanan et al. 2017."""
    head = ["set", "splits", "rate"]
    for title in ("log-likelihood, nats", "RMSE"):
        head += [title, "published ± its deviation", "difference, standard errors"]
    lines = []
    for data, rate in rates.items():
        held = [rows[name] for split in SPLITS if (name := f"{data}_{split}_{rate}") in rows]
        if len(held) < 2:
            continue
        line, missed = [data, str(len(held)), f"{rate:g}"], []
        for metric, sign in (("log_likelihood", 1), ("rmse", -1)):
            mean, spread = getattr(_ENSEMBLE, metric)[data]
            values = [row[metric] for row in held]
            error = math.hypot(study.standard_error(values), spread / math.sqrt(20))
            gap = (float(np.mean(values)) - mean) / error
            line += [study.mean_error(values, 2), f"{mean:.2f} ± {spread:.2f}", f"{gap:+.1f}"]
            if sign * gap < -_SPREAD:
                missed.append({"log_likelihood": "log-likelihood", "rmse": "RMSE"}[metric])
        lines.append([*map(study.minus, line), ", ".join(missed) or "none"])
    return study.markdown([*head, "not reached"], lines, 1)
