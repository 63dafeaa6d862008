"""Writes the study's tables into its README, and its figures beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bnn.training import write_text
from experiments.shift.figures import draw_entropy, draw_shifts
from experiments.shift.jobs import FOREIGN, Job
from experiments.shift.tables import Results, foreign_table, shift_table, test_table

_TEMPLATE = Path(__file__).parent / "README.md"


def write_report(
    folder: Path, results: Results, root: Path, jobs: Sequence[Job], epochs: float
) -> None:
    """Fills every `<!-- name -->` … `<!-- end of name -->` of the README, and draws.

    Args:
      folder: of the README and figures; another one than the study's gets a copy.
      results: of all runs.
      root: folder of the runs.
      jobs: the runs.
      epochs: of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "test": test_table(results),
        **{f"foreign {data}": foreign_table(results, data) for data in FOREIGN},
        **{
            f"{kind} {metric}": shift_table(results, kind, metric)
            for kind in ("rotation", "translation")
            for metric in ("accuracy", "brier", "ece")
        },
        "provenance": _provenance(results, root, jobs, epochs),
    }
    text = _TEMPLATE.read_text()
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{_TEMPLATE} must hold {begin} and {end}; put them back.")
        text = f"{before}{begin}\n{content}{end}{after}"
    draw_shifts(results, folder / "shifts.png")
    for data in dict.fromkeys(job.data for job in jobs):
        draw_entropy(results, data, folder / f"entropy_{data}.png")
    write_text(folder / "README.md", text)


def _provenance(results: Results, root: Path, jobs: Sequence[Job], epochs: float) -> str:
    runs = [json.loads((root / job.name / "results.json").read_text()) for job in jobs]
    evaluated = [result for seeds in results.values() for result in seeds]
    versions = runs[-1]["versions"]
    train = sum(run["seconds"]["train"] for run in runs)
    seconds = sum(result["seconds"] for result in evaluated)
    revisions = {made["git_revision"][:12] for made in (*runs, *evaluated)}
    seeds = sorted({job.seed for job in jobs})
    return (
        f"`python -m experiments.shift.run --seeds={','.join(map(str, seeds))}`, "
        f"{epochs:g} epochs, {', '.join(sorted({run['date'][:10] for run in runs}))}, revision "
        f"{', '.join(sorted(revisions))}, Python {versions['python']}, TensorFlow "
        f"{versions['tensorflow']}, Keras {versions['keras']}; {len(runs)} runs, "
        f"{train / 60:.0f} min of training and {seconds / 60:.0f} min of evaluation "
        "on one or two CPU cores.\n"
    )
