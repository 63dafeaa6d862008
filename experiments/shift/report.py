"""Writes the study's tables into its README, and its figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnn.training import write_text
from experiments.image_runs import Job, fill, provenance
from experiments.shift.figures import draw_entropy, draw_shifts
from experiments.shift.jobs import FOREIGN
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
    text = fill(_TEMPLATE.read_text(), parts, _TEMPLATE)
    draw_shifts(results, folder / "shifts.png")
    for data in dict.fromkeys(data for data, _ in results):
        draw_entropy(results, data, folder / f"entropy_{data}.png")
    write_text(folder / "README.md", text)


def _provenance(results: Results, root: Path, jobs: Sequence[Job], epochs: float) -> str:
    evaluated = [result for seeds in results.values() for result in seeds]
    seeds = ",".join(str(seed) for seed in sorted({job.seed for job in jobs}))
    revisions = sorted({result["git_revision"][:12] for result in evaluated})
    return (
        f"`python -m experiments.shift.run --seeds={seeds}`, {epochs:g} epochs, "
        f"{provenance(jobs, root)}, and {sum(result['seconds'] for result in evaluated) / 60:.0f} "
        f"min of evaluation on one CPU core (revision {', '.join(revisions)}).\n"
    )
