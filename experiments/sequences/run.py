"""Trains a Bayesian and a deterministic LSTM and Transformer on sequences, and writes the table.

    python -m experiments.sequences.run [--seeds=0,1,2,3,4] [--train=LSTM] [--root=runs/sequences]

What has been trained is not trained again.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments import study
from experiments.records import built_with, made, recorded, stamp
from experiments.sequences.chains import Task
from experiments.sequences.training import (
    KINDS,
    NETWORKS,
    SAMPLES,
    TEST_SEED,
    Case,
    Settings,
    scores,
    train,
)

_HERE = Path(__file__).parent
_CHOICE_SEED = 100  # of none of the table's rows
_COLUMNS = {"accuracy": 2, "nll": 4, "ece": 2, "seconds": 0}
FAST = Settings(256, 128, 256, 1, 64, 4, 4, (0.01, 0.003))
Rows = dict[tuple[str, str], list[dict[str, Any]]]


def main(argv: list[str] | None = None) -> int:
    """Trains what is missing and writes the table."""
    parser = study.study_parser(__doc__, _HERE, study.ROOT / "runs" / "sequences")
    parser.add_argument("--seeds", type=study.parse_seeds, default=(0, 1, 2, 3, 4))
    parser.add_argument(
        "--train", type=study.names_of(NETWORKS), help="train that network alone, write no table"
    )
    options = study.parse_options(parser, argv)
    settings, task = FAST if options.fast else Settings(), Task()
    asked = {**dataclasses.asdict(settings), **dataclasses.asdict(task)}
    asked["rates"] = list(settings.rates)

    def result(case: Case, scored: str) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            found = train(case, settings, task, scored)
            print(f"{scored} {case.name}: {found}", flush=True)
            return {**found, **stamp()}

        return recorded(options.root / scored / f"{case.name}.json", asked, make)

    rows: Rows = {}
    chosen: dict[tuple[str, str], float] = {}
    for network in options.train or NETWORKS:
        for kind in KINDS:
            tried = {
                rate: result(Case(network, kind, rate, _CHOICE_SEED), "valid")["nll"]
                for rate in settings.rates
            }
            rate = chosen[network, kind] = min(tried, key=lambda r: tried[r])
            rows[network, kind] = [
                result(Case(network, kind, rate, seed), "test") for seed in options.seeds
            ]
    if options.train:
        return 0
    parts = {
        "table": table(rows, chosen, best(task, settings)),
        "differences": differences(rows),
        "provenance": provenance(rows, options.seeds),
    }
    study.write_readme(_HERE / "README.md", parts, options.output)
    return 0


def best(task: Task, settings: Settings) -> dict[str, float]:
    """Scores of Bayes' rule with the chains that made the test sequences."""
    inputs, classes = task.draw(settings.test, TEST_SEED)
    return scores(task.best(inputs), classes)


def table(rows: Rows, chosen: dict[tuple[str, str], float], optimum: dict[str, float]) -> str:
    """Means over the seeds with their standard errors."""
    lines = [
        [
            network,
            kind,
            f"{chosen[network, kind]:g}",
            *(study.mean_error([r[c] for r in found], d) for c, d in _COLUMNS.items()),
        ]
        for (network, kind), found in rows.items()
    ]
    known = [f"{optimum[c]:.{d}f}" if c in optimum else "" for c, d in _COLUMNS.items()]
    head = ["network", "weights", "rate", "accuracy, %", "NLL, nats", "ECE, %", "processor, s"]
    return study.markdown(head, [*lines, ["Bayes' rule", "chains known", "", *known]], 2)


def differences(rows: Rows) -> str:
    """Bayesian less deterministic, seed by seed, and whether accuracy is within its error."""
    lines = []
    for network in NETWORKS:
        pairs = list(zip(rows[network, "Bayesian"], rows[network, "deterministic"], strict=True))
        found = {c: [a[c] - b[c] for a, b in pairs] for c in ("accuracy", "nll", "ece")}
        others = study.standard_error([b["accuracy"] for _, b in pairs])
        reached = np.mean(found["accuracy"]) >= -others
        cells = [study.minus(study.mean_error(found[c], _COLUMNS[c])) for c in found]
        lines.append([network, *cells, "yes" if reached else "no"])
    head = ["network", "accuracy, %", "NLL, nats", "ECE, %", "accuracy reached"]
    return study.markdown(head, lines, 1)


def provenance(rows: Rows, seeds: tuple[int, ...]) -> str:
    """Seeds, dates, revisions and versions."""
    records = [record for found in rows.values() for record in found]
    return (
        f"Seeds {', '.join(map(str, seeds))}; {SAMPLES} weight samples; {made(records)}, "
        f"{built_with(records[0])}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
