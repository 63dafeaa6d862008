"""Compares the variational families: a regression with an exact posterior, and five UCI sets.

    python -m experiments.families.run [--seconds=300] [--root=FOLDER] [--data_dir=DIR]

What has been measured stands in `results` and is not measured again; `--seconds` starts nothing
after so long.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from experiments import study
from experiments.families import linear, mnist
from experiments.families.cases import CANDIDATES, FAST, NO_BOUND, SETS, SETTINGS, Family
from experiments.records import built_with, made, recorded, stamp
from experiments.uci.candidates import Settings
from experiments.uci.splits import members
from experiments.uci.training import run_candidate

_HERE = Path(__file__).parent
Results = dict[tuple[str, str], dict[str, Any]]


def main(argv: list[str] | None = None) -> int:
    """Measures what is missing and writes the tables."""
    parser = study.study_parser(__doc__, _HERE, _HERE / "results")
    parser.add_argument("--sets", type=study.names_of(SETS), default=list(SETS))
    parser.add_argument("--mnist", action="store_true", help="the networks on MNIST, too")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start nothing after")
    options = study.parse_options(parser, argv)
    begin, settings = time.monotonic(), FAST if options.fast else SETTINGS
    regression = recorded(
        options.root / "linear.json",
        {"fast": options.fast},
        lambda: {"kl": linear.measure(options.fast), **stamp()},
    )
    results: Results = {}
    for name in options.sets:
        for candidate in CANDIDATES:
            path = options.root / name / f"{candidate.name}.json"
            late = options.report or time.monotonic() - begin > options.seconds
            if path.exists() or not late:
                asked = {**dataclasses.asdict(settings), **dataclasses.asdict(candidate)}
                call = _Call(name, candidate, settings, options.data_dir)
                results[name, candidate.family] = recorded(path, asked, call)
    images: dict[str, dict[str, Any]] = {}
    for family in mnist.NAMES:
        path = options.root / "mnist" / f"{Family('', '', 0.0, family).name}.json"
        late = options.report or time.monotonic() - begin > options.seconds
        if path.exists() or (options.mnist and not late):
            asked = mnist.SETTINGS | ({"epochs": 0.01, "hidden": 8} if options.fast else {})
            call = partial(_image_run, family, options.data_dir, asked)
            images[family] = recorded(path, asked, call)
    parts = {
        "linear": linear_table(regression["kl"]),
        "log-likelihood": table(results, options.sets, "log_likelihood"),
        "paired": paired_table(results, options.sets),
        "elbo": table(results, options.sets, "elbo"),
        "seconds": table(results, options.sets, "seconds"),
        "mnist": mnist_table(images),
        "provenance": provenance(regression, results, settings),
    }
    study.write_readme(_HERE / "README.md", parts, options.output)
    missing = len(options.sets) * len(CANDIDATES) - len(results)
    if missing:
        print(f"{missing} of the table's cells are not measured yet; run it again.")
    return 0


def _image_run(family: str, data_dir: str | None, asked: dict[str, Any]) -> dict[str, Any]:
    return {**mnist.train(family, data_dir, asked), **stamp()}


@dataclasses.dataclass(frozen=True)
class _Call:
    """Trains and evaluates a family on the splits of a set."""

    set: str
    candidate: Family
    settings: Settings
    data_dir: str | None

    def __call__(self) -> dict[str, Any]:
        """Means over the splits' rows, and the processor's seconds by split."""
        start = time.process_time()
        final = [m for m in members(self.set, self.data_dir, self.settings) if m.final]
        rows = run_candidate(final, self.candidate, self.settings)
        seconds = (time.process_time() - start) / len(rows)
        kept = [{k: row[k] for k in ("split", "log_likelihood", "rmse", "elbo")} for row in rows]
        print(f"{self.set}, {self.candidate.family}: {seconds:.1f} s a split", flush=True)
        return {"rows": [row | {"seconds": seconds} for row in kept], **stamp()}


def linear_table(kl: dict[str, list[float]]) -> str:
    """KL to the exact posterior, nearest last, and the least that theory has."""
    theory = {
        "MeanFieldNormal": linear.mean_field_kl(),
        "MatrixNormal": linear.matrix_normal_kl(),
        "FullCovarianceNormal": 0.0,
    }
    lines = [
        [
            f"`{name}`",
            f"{value:.4f}" + (f" ± {error:.4f}" if error else ""),
            f"{theory[name]:.4f}" if name in theory else "",
        ]
        for name, (value, error) in sorted(kl.items(), key=lambda item: -item[1][0])
    ]
    return study.markdown(["family", "KL, nats", "its least in theory"], lines, 1)


def table(results: Results, sets: list[str], column: str) -> str:
    """Means over the splits with their standard errors; the best of a column in bold."""
    digits = 1 if column == "seconds" else 3
    sets = [name for name in sets if any(held == name for held, _ in results)]
    if not sets:
        return "Not measured yet.\n"
    families = [c.family for c in CANDIDATES if any((n, c.family) in results for n in sets)]
    if column == "elbo":
        families = [f for f in families if not f.startswith(NO_BOUND)]
    best = {}
    for name in sets:
        mean = {
            f: sum(row[column] for row in results[name, f]["rows"])
            for f in families
            if (name, f) in results
        }
        best[name] = max(mean, key=lambda f: mean[f]) if mean else None
    lines = []
    for family in families:
        cells = []
        for name in sets:
            held = results.get((name, family))
            values = [row[column] for row in held["rows"]] if held else []
            cell = study.minus(study.mean_error(values, digits)) if values else ""
            if column == "seconds":
                cell = cell.partition(" ")[0]
            elif values and best[name] == family:
                cell = f"**{cell}**"
            cells.append(cell)
        lines.append([f"`{family}`", *cells])
    return study.markdown(["family", *sets], lines, 1)


def paired_table(results: Results, sets: list[str], to: str = "MeanFieldNormal") -> str:
    """Test log-likelihood less the mean field's on the same split: mean ± standard error.

    In bold those that are two standard errors or more from zero.
    """
    sets = [name for name in sets if (name, to) in results]
    families = [c.family for c in CANDIDATES if c.family != to]
    families = [f for f in families if any((name, f) in results for name in sets)]
    if not families:
        return "Not measured yet.\n"
    lines = []
    for family in families:
        cells = []
        for name in sets:
            if (name, family) not in results:
                cells.append("")
                continue
            one, other = (
                {row["split"]: row["log_likelihood"] for row in results[name, f]["rows"]}
                for f in (family, to)
            )
            values = [one[split] - other[split] for split in one]
            clear = abs(sum(values) / len(values)) >= 2 * study.standard_error(values)
            cell = study.minus(study.mean_error(values, 3))
            cells.append(f"**{cell}**" if clear else cell)
        lines.append([f"`{family}`", *cells])
    return study.markdown(["family", *sets], lines, 1)


def mnist_table(images: dict[str, dict[str, Any]]) -> str:
    """Error, NLL and −ELBO per example, and what was trained."""
    if not images:
        return "Not measured yet.\n"
    lines = [
        [
            f"`{family}`",
            f"{held['error']:.2f}",
            f"{held['nll']:.4f}",
            f"{held['negative_elbo']:.3f}",
            f"{held['parameters']:,}",
        ]
        for family, held in images.items()
    ]
    head = ["family", "error, %", "test NLL", "−ELBO an example", "trained numbers"]
    return study.markdown(head, lines, 1)


def provenance(regression: dict[str, Any], results: Results, settings: Settings) -> str:
    """Command, sizes, dates and versions."""
    own = f"The regression: `python -m experiments.families.run`, {made([regression])}, "
    own += f"{built_with(regression)}.\n"
    held = list(results.values())
    if not held:
        return own
    seconds = sum(row["seconds"] for record in held for row in record["rows"])
    return own + (
        f"UCI: the same command, {settings.steps} steps, {settings.splits} splits, "
        f"seeds {settings.seed} + split, {made(held)}, {seconds / 60:.0f} min of processor time.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
