"""Runs the rows of the README's result table and writes the table into the README.

    python -m experiments.main_results.run [--rows=digits,mnist_mlp] [--again] [--report]

Every row is `python -m bnn.run` in a folder of its own below `--root`: rows that have ended are not
repeated (`--again` repeats those that are asked for), one that was stopped goes on where it was.
What the table shows is kept in `results.json` beside this file, so that a row made anew leaves the
others as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from experiments.records import built_with, made, write_json
from experiments.runs import Job, estimator, fixed_weights, train_all
from experiments.study import ROOT, markdown, names_of, parse_options, study_parser, write_readme

_RECORDS = Path(__file__).parent / "results.json"
# What a record keeps of a run's `results.json`.
_KEPT = (
    *("posterior", "estimator", "test", "num_predict_samples", "seconds", "date"),
    *("git_revision", "versions"),
)


class Row(NamedTuple):
    """A row of the table."""

    title: str  # what the row says
    file: str  # gin file below `gin_configs/`
    bindings: tuple[str, ...] = ()  # gin bindings


_DIGITS = "digits, 2×200"
# By the name of the run's folder.
ROWS = {
    "digits": Row(_DIGITS, "digits.gin"),
    "digits_tempered": Row(_DIGITS, "digits.gin", ("kl/LinearWarmup.value = 0.1",)),
    "digits_reparameterization": Row(_DIGITS, "digits.gin", estimator("Reparameterization")),
    "digits_flipout": Row(_DIGITS, "digits.gin", estimator("Flipout")),
    "digits_score_function": Row(_DIGITS, "digits.gin", estimator("ScoreFunction")),
    "digits_deterministic": Row(
        f"{_DIGITS}, `Point` posterior (MAP)", "digits.gin", fixed_weights("mlp")
    ),
    "mnist_mlp": Row("MNIST, 2×400", "mnist_mlp.gin"),
    "mnist_mlp_mixture": Row("MNIST, 2×400, scale mixture prior", "mnist_mlp_mixture.gin"),
    "mnist_lenet": Row("MNIST, LeNet-5", "mnist_lenet.gin"),
    "fashion_lenet": Row("Fashion-MNIST, LeNet-5", "fashion_lenet.gin"),
    "uci_yacht": Row("UCI yacht, 1×50, split 0", "uci.gin"),
}


def main(argv: list[str] | None = None) -> int:
    """Runs the rows asked for, then writes the table of all that have a record."""
    parser = study_parser(__doc__, ROOT, ROOT / "runs" / "main_results", fast=False)
    parser.set_defaults(workers=1)  # the table says how long a run takes alone
    parser.add_argument("--rows", type=names_of(ROWS), default=ROWS, help="default all")
    parser.add_argument("--again", action="store_true", help="repeat rows that have ended, too")
    options = parse_options(parser, argv)
    records = json.loads(_RECORDS.read_text())
    if not options.report:
        jobs = [Job(name, ROWS[name].file, ROWS[name].bindings, seed=0) for name in options.rows]
        for job in jobs if options.again else ():
            job.forget(options.root)
        train_all(jobs, options.root, options.workers)
        for job in jobs:
            results = job.results(options.root) or {}
            records[job.name] = {key: results[key] for key in _KEPT}
        write_json(_RECORDS, records)
    write_readme(ROOT / "README.md", {"results": table(records)}, options.output)
    return 0


def table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The Markdown table of the rows that have a record, with what made them."""
    shown = [(row, records[name]) for name, row in ROWS.items() if name in records]
    if not shown:
        return ""
    head = (
        *("job", "posterior", "estimator", "test error % or RMSE", "NLL, nats", "ECE"),
        *("weight samples", "training s", "bindings beside the file"),
    )
    held = [record for _, record in shown]
    foot = (
        f"\n`python -m experiments.main_results.run`, seed 0, {made(held)}, "
        f"{built_with(held[-1])}, 2 CPU cores that may have had other work to do, "
        "which is in the seconds. A row alone: "
        "`python -m bnn.run --gin_file=gin_configs/FILE --gin_bindings=BINDING --workdir=DIR`.\n"
    )
    return markdown(head, [_cells(row, record) for row, record in shown], compact=True) + foot


def _cells(row: Row, record: Mapping[str, Any]) -> list[str]:
    test = record["test"]
    return [
        f"{row.title} (`{row.file}`)",
        *(record["posterior"], record["estimator"]),
        f"{100 * test['error']:.2f}" if "error" in test else f"RMSE {test['rmse']:.3f}",
        f"{test['nll']:.4f}",
        f"{test['ece']:.3f}" if "ece" in test else "–",
        str(record["num_predict_samples"]),
        f"{record['seconds']['train']:.0f}",
        "; ".join(f"`{binding}`" for binding in row.bindings) or "–",
    ]


if __name__ == "__main__":
    sys.exit(main())
