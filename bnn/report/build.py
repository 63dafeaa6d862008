"""A report from run folders to files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bnn.report.comparisons import choose_baseline
from bnn.report.document import Block, Contents, Heading, Items, Paragraph, code
from bnn.report.groups import group_runs
from bnn.report.html import to_html
from bnn.report.markdown import to_markdown
from bnn.report.output import check_output, write_output
from bnn.report.runs import Found, Run, read_runs
from bnn.report.sections import section
from bnn.report.tuning import tuning_blocks


def build_report(
    paths: Iterable[str | Path],
    output: str | Path,
    *,
    baseline: str | None = None,
    skip_unfinished: bool = False,
    out_of_distribution: Sequence[str] = (),
    imports: Sequence[str] = (),
    title: str = "Report",
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Writes `report.md`, `report.html` (one self-contained file) and `figures/`.

    What cannot be read, drawn or predicted costs only itself: the report names it and goes on.

    Args:
      paths: of run folders and of folders that hold some, such as sweeps.
      output: a folder, created; an earlier report in it is replaced when the new one is complete,
        and nothing that this report cannot show to be its own is touched.
      baseline: model or run that the others are compared with; the first of each data set where
        None.
      skip_unfinished: leave out unfinished runs instead of refusing.
      out_of_distribution: image sets that runs which classify are to predict first, where they
        have not; see `bnn.report.out_of_distribution`.
      imports: modules whose code the runs' recorded configurations may run for that.
      title: of the report.
      say: told of progress and of every fault, a line each.

    Returns:
      The path of `report.html`.

    Raises:
      FileNotFoundError: a path or an image set does not exist.
      ValueError: a path holds no run, a run has not finished, none can be read, runs cannot be
        compared, or `output` holds something that is not of an earlier report.
    """
    output, paths = Path(output), list(paths)
    check_output(output)
    found = read_runs(paths, skip_unfinished)
    groups = group_runs(found.runs)
    baselines = choose_baseline(groups, baseline)
    faults = list(found.faults)
    if out_of_distribution:
        from bnn.report.out_of_distribution import predict_other_sets

        faults += predict_other_sets(found.runs, out_of_distribution, say, imports)
    with tempfile.TemporaryDirectory(prefix="bnn-report-") as temporary:
        folder = Path(temporary)
        blocks: list[Block] = []
        summaries: list[Block] = []
        for data, members in groups.items():
            of_data, summary = section(data, members, baselines[data], folder)
            blocks += of_data
            summaries.append(summary)
        faults += [fault for run in found.runs for fault in run.faults]
        first: list[Block] = [Heading(title, 1), Heading("Summary", 2), *summaries]
        first += _preface(found, faults)
        below = [*tuning_blocks(paths, folder), *blocks, *_origin(found.runs)]
        headings = [block for block in (*first, *below) if isinstance(block, Heading)]
        blocks = [*first, Contents(headings), *below]
        files = {
            "report.md": to_markdown(blocks).encode(),
            "report.html": to_html(blocks, folder).encode(),
            **{f"figures/{p.name}": p.read_bytes() for p in sorted(folder.iterdir())},
        }
        write_output(output, files)
    for fault in faults:
        say(fault)
    return output / "report.html"


def _preface(found: Found, faults: Sequence[str]) -> list[Block]:
    runs = found.runs
    blocks: list[Block] = [
        Paragraph(
            f"{len(runs)} finished {'run' if len(runs) == 1 else 'runs'}. Metrics are those of the "
            "test part under the predictive mixture of S weight samples; S stands in every table. "
            "Runs are one model where everything but seed and split is equal; ± is the standard "
            "error over them, and a single run has none. A tempered posterior is a model of its "
            "own and never averaged with one that has the whole KL. The best mean of a column is "
            "bold, which is no test: the paired comparisons are."
        )
    ]
    if found.unfinished:
        names = ", ".join(code(path.name) for path in found.unfinished)
        blocks.append(Paragraph(f"Left out, unfinished: {names}."))
    if faults:
        blocks += [Paragraph("Left out, with the reason:"), Items([code(line) for line in faults])]
    return blocks


def _origin(runs: Sequence[Run]) -> list[Block]:
    """What made the runs: program, versions, dates, folders."""

    def together(values: Iterable[object]) -> str:
        said = sorted({str(value) for value in values if value})
        return ", ".join(map(code, said)) or "not stated"

    versions = [run.results.get("versions", {}) for run in runs]
    dates = sorted(str(run.results["date"])[:10] for run in runs if run.results.get("date"))
    span = " to ".join(map(code, sorted({dates[0], dates[-1]}))) if dates else "not stated"
    packages = ("python", "tensorflow", "keras")
    return [
        Heading("Origin", 2),
        Items(
            [
                f"Revision of the program: {together(r.results.get('git_revision') for r in runs)}",
                *[f"{name}: {together(v.get(name) for v in versions)}" for name in packages],
                f"Dates of the runs: {span}",
                f"Seeds: {', '.join(map(str, sorted({run.results['seed'] for run in runs})))}",
            ]
        ),
    ]
