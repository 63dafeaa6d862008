"""Published rows of ensembles, dropout, SWAG and Laplace, beside ours; writes the tables.

    python -m experiments.published.run [--parts=mnist,uci] [--report] [--fast]

Runs that have ended are not repeated, one that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import study
from experiments.published import images, uci
from experiments.published.cases import CASES, Case, Published
from experiments.records import built_with, made
from experiments.runs import IMAGES, Job, provenance, train_all

_HERE = Path(__file__).parent
PARTS = ("mnist", "uci")


def main(argv: list[str] | None = None) -> int:
    """Trains what is missing, and writes the tables of what there is."""
    parser = study.study_parser(__doc__, _HERE, IMAGES)
    parser.add_argument("--parts", type=study.names_of(PARTS), default=list(PARTS))
    options = study.parse_options(parser, argv)
    cases = {name: _sized(case, options.fast) for name, case in CASES.items()}
    if not options.report and "mnist" in options.parts:
        train_all({c.job.name: c.job for c in cases.values()}.values(), *_where(options))
    shown: dict[str, str] = {}
    ended = {name: case for name, case in cases.items() if case.job.results(options.root)}
    if ended:
        measured = {name: images.evaluate(options.root, case) for name, case in ended.items()}
        jobs = list({case.job.name: case.job for case in ended.values()}.values())
        command = "\n`python -m experiments.published.run --parts=mnist`, "
        shown |= {
            "mnist": mnist_table(ended, measured),
            "mnist provenance": f"{command}{provenance(jobs, options.root)}.\n",
        }
    wanted = [] if options.report or "uci" not in options.parts else uci.SETS
    found = uci.results(options.output / "results", wanted, options.fast)
    if found:
        shown |= {"uci": uci_table(found), "uci provenance": _of_records(found)}
    if not shown:
        print("nothing has ended; leave --report out.", file=sys.stderr)
        return 1
    study.write_readme(_HERE / "README.md", shown, options.output)
    return 0


def _sized(case: Case, fast: bool) -> Case:
    more = ("run.epochs = 0.1", "run.num_predict_samples = 2")
    job = case.job
    return case._replace(job=Job(job.name, job.file, (*job.bindings, *more), 0)) if fast else case


def _where(options: argparse.Namespace) -> tuple[Path, int]:
    return options.root, options.workers


def mnist_table(cases: Mapping[str, Case], measured: Mapping[str, Mapping[str, Any]]) -> str:
    """Each of ours, and below it the rows that were published."""
    head = ("network", "method", "error, %", "NLL", "ECE", "AUROC, % (Fashion / KMNIST)")
    lines = []
    for name, case in cases.items():
        found = measured[name]
        auroc = found["auroc"]
        both = tuple(100 * auroc[k] for k in ("fashion_mnist", "kmnist"))
        lines.append(
            [
                *(case.network, f"**{case.title}**", f"{100 * found['error']:.2f}"),
                *(f"{found['nll']:.4f}", f"{found['ece']:.4f}", _pair(both)),
                "ours",
            ]
        )
        lines += [_row(row) for row in case.published]
    return study.markdown((*head, "from"), lines)


def _row(row: Published) -> list[str]:
    number = ["–" if v is None else f"{v:g}" for v in (row.error, row.nll)]
    return ["", row.title, *number, "–", "–" if row.auroc is None else _pair(row.auroc), row.source]


def _pair(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def uci_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Log-likelihood and RMSE of ensembles of five by set, means ± standard errors."""
    head = ("set", "steps", "log-likelihood: ours", "published (± sd)", "RMSE: ours")
    lines = []
    for name, held in found.items():
        rows = held["rows"]
        theirs = uci.published(name)
        lines.append(
            [
                *(name, str(held["steps"])),
                study.mean_error([row["log_likelihood"] for row in rows], 3),
                f"{theirs['log_likelihood'][0]:.2f} ± {theirs['log_likelihood'][1]:.2f}",
                study.mean_error([row["rmse"] for row in rows], 3),
                f"{theirs['rmse'][0]:.2f} ± {theirs['rmse'][1]:.2f}",
                str(len(rows)),
            ]
        )
    return study.minus(study.markdown((*head, "published (± sd)", "splits"), lines, 1))


def _of_records(found: Mapping[str, Mapping[str, Any]]) -> str:
    held = list(found.values())
    spent = sum(record["cpu_seconds"] for record in held) / 60
    return (
        f"\n`python -m experiments.published.run --parts=uci`, {made(held)}, seed 0, "
        f"{built_with(held[-1])}; {spent:.0f} min of processor time.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
