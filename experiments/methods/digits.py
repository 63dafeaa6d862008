"""Every method on digits: what is kept of a run, and the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnn.tracking import read_jsonl
from experiments import study
from experiments.methods import kept
from experiments.methods.cases import DIGITS
from experiments.runs import Job


def record(job: Job, root: Path) -> dict[str, Any]:
    """Of a run that has ended: test metrics, bound, cost and what made it."""
    results = job.results(root) or {}
    bound = None
    if "kl_weight" in results:  # of the methods that minimise it
        bound = read_jsonl(root / job.name / "metrics.jsonl")[-1]["loss"]
    return {
        **{name: results["test"][name] for name in ("nll", "error", "ece")},
        "num_predict_samples": results["num_predict_samples"],
        "bound": bound,
        "r_hat": results.get("chains", {}).get("log joint", {}).get("r_hat"),
        **kept.about(job, root),
    }


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Test metrics and cost by method."""
    head = (
        *("method", "test NLL, nats", "accuracy, %", "ECE", "functions asked for"),
        *("bound, nats per example", "R̂ of the log joint", "gradients, passes over the data"),
        *("run, CPU s", "bindings"),
    )
    lines = [
        [
            *(DIGITS[name].title, f"{row['nll']:.4f}", f"{100 - 100 * row['error']:.2f}"),
            *(f"{row['ece']:.3f}", str(row["num_predict_samples"])),
            *("–" if row[name] is None else f"{row[name]:.2f}" for name in ("bound", "r_hat")),
            f"{row['passes_over_the_data']:,.0f}",
            *(f"{row['cpu_seconds']:.0f}", DIGITS[name].shown),
        ]
        for name, row in rows.items()
    ]
    return study.markdown(head, lines)
