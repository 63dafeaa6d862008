"""Ours beside an earlier one: python -m experiments.speed.revisions REVISION [--cases=…].

Both trees' steps and predictions take turns in one session, as the libraries do in `run.py`; each
tree brings its own workers, so that what has changed in between is measured as its users meet it.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments.records import read_rows, replace_rows, stamp
from experiments.speed.cases import CASES, FAST
from experiments.speed.run import MAIN_CASE
from experiments.speed.session import OURS, ROOT, Sample, measure
from experiments.speed.summary import Best, Quartiles
from experiments.study import (
    markdown,
    names_of,
    parse_options,
    positive,
    study_parser,
    write_readme,
)

_HERE = Path(__file__).parent
BOUND = 1.03  # of the time of the earlier revision


@dataclasses.dataclass(frozen=True)
class Paired:
    """One form of one estimator, in one round, of both revisions."""

    case: str
    estimator: str
    form: str
    round: int
    seconds: float  # of one step
    earlier_seconds: float
    revision: str
    earlier: str
    date: str


def main(argv: list[str] | None = None) -> int:
    """Measures the chosen cases, and writes the table."""
    parser = study_parser(__doc__, _HERE)
    parser.add_argument("earlier", help="revision of this repository to compare with")
    parser.add_argument("--cases", type=names_of({**CASES, **FAST}), help="default all")
    parser.add_argument("--rounds", type=positive, default=15, help="default 15")
    options = parse_options(parser, argv)
    path = options.output / "results" / "revisions.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = _unpack(options.earlier, Path(folder))
        cases = [] if options.report else options.cases or list(FAST if options.fast else CASES)
        for case in cases:
            rows = _steps(case, tree, options.earlier, options.rounds)
            if case == MAIN_CASE:
                rows += _predictions(case, tree, options.earlier, min(options.rounds, 5))
            replace_rows(path, rows, lambda row, case=case: row.case == case)
    table = revisions_table(read_rows(path, Paired))
    print(table)
    write_readme(_HERE / "README.md", {"revisions": table}, options.output)
    return 0


def _unpack(revision: str, folder: Path) -> Path:
    """The tree of a revision; nothing of the repository is touched."""
    archive = folder / "tree.tar"
    git = ["git", "-C", str(ROOT), "archive", "--output", str(archive), revision]
    subprocess.run([*git, "bnn", "experiments"], check=True)
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
    return tree


def _steps(case: str, tree: Path, earlier: str, rounds: int) -> list[Paired]:
    samples, failed = measure(case, [OURS], rounds, revisions={earlier: tree})
    return _pairs(samples, failed, earlier)


def _predictions(case: str, tree: Path, earlier: str, rounds: int) -> list[Paired]:
    only = ("--only", "prediction", "--without", "")
    found = measure(
        case, [OURS], rounds, options=only, round_seconds=0.0, revisions={earlier: tree}
    )
    return _pairs(*found, earlier)


def _pairs(samples: Sequence[Sample], failed: dict[str, str], earlier: str) -> list[Paired]:
    """Forms that both revisions have; a failed one ends the measurement."""
    if failed:
        raise RuntimeError(f"Could not be measured: {failed}")
    now, seconds = stamp(), {(s.peer, s.estimator, s.form, s.round): s.seconds for s in samples}
    return [
        Paired(
            s.case,
            s.estimator,
            s.form,
            s.round,
            s.seconds,
            seconds[other],
            now["git_revision"][:7],
            earlier,
            now["date"],
        )
        for s in samples
        if s.peer == OURS and (other := (earlier, s.estimator, s.form, s.round)) in seconds
    ]


def revisions_table(rows: Sequence[Paired]) -> str:
    """Median and quartiles of the paired ratios of every case, estimator and form."""
    lines = []
    for case, estimator, form in dict.fromkeys((r.case, r.estimator, r.form) for r in rows):
        own = [r for r in rows if (r.case, r.estimator, r.form) == (case, estimator, form)]
        ours = Best(form, {r.round: r.seconds for r in own})
        theirs = Best(form, {r.round: r.earlier_seconds for r in own})
        ratio = Quartiles.of([r.seconds / r.earlier_seconds for r in own])
        quick = min(ours.rounds.values()) / min(theirs.rounds.values())
        about = f"{own[0].revision} / {own[0].earlier}, {own[0].date}"
        verdict = "yes" if ratio.median <= BOUND else "**no**"
        shown = [ours.time.show(1e3), theirs.time.show(1e3), ratio.show(), f"{quick:.2f}", verdict]
        lines.append([case, estimator, form, *shown, about])
    columns = ("case", "estimator", "form", "ms (quartiles)", "earlier, ms", "ratio in pairs")
    limit = f"≤ {BOUND:g}"
    return markdown((*columns, "quickest rounds", limit, "revisions, date"), lines, compact=True)


if __name__ == "__main__":
    sys.exit(main())
