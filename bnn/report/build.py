"""A report from run folders to files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bnn.report.comparisons import choose_baseline, compare
from bnn.report.document import Block, Heading, Items, Paragraph
from bnn.report.group_plots import group_figures
from bnn.report.groups import Group, group_runs
from bnn.report.html import to_html
from bnn.report.markdown import to_markdown
from bnn.report.plots import joint_figures
from bnn.report.runs import Run, read_runs
from bnn.report.tables import CALIBRATION, QUALITY, detection_table, runs_table, summary_table
from bnn.training import write_text

_FILES = ("report.md", "report.html", "figures")
# More than this of one data set would make the page too long to read; tables show all.
MAX_SINGLE = 12


def build_report(
    paths: Iterable[str | Path],
    output: str | Path,
    *,
    baseline: str | None = None,
    skip_unfinished: bool = False,
    out_of_distribution: Sequence[str] = (),
    title: str = "Report",
) -> Path:
    """Writes `report.md`, `report.html` (one self-contained file) and `figures/`.

    Args:
      paths: of run folders and of folders that hold some, such as sweeps.
      output: a folder, created; an earlier report in it is replaced when the new one is complete.
      baseline: model or run that the others are compared with; the first of each data set where
        None.
      skip_unfinished: leave out unfinished runs instead of refusing.
      out_of_distribution: image sets that runs which classify are to predict first, where they
        have not; see `bnn.report.out_of_distribution`.
      title: of the report.

    Returns:
      The path of `report.html`.

    Raises:
      FileNotFoundError: a path, an image set or a checkpoint does not exist.
      ValueError: a path holds no run, a run has not finished or cannot be read, runs cannot be
        compared, or `output` holds something else than a report.
    """
    output = Path(output)
    _check_output(output)
    runs, unfinished = read_runs(paths, skip_unfinished)
    groups = group_runs(runs)
    baselines = choose_baseline(groups, baseline)
    if out_of_distribution:
        from bnn.report.out_of_distribution import predict_other_sets

        predict_other_sets(runs, out_of_distribution)
    output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".figures-", dir=output))
    try:
        blocks: list[Block] = [Heading(title, 1), *_preface(runs, unfinished)]
        for data, members in groups.items():
            blocks += _section(data, members, baselines[data], folder)
        blocks += _origin(runs)
        page, text = to_html(blocks, folder), to_markdown(blocks)
        _replace_folder(folder, output / "figures")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_text(output / "report.md", text)
    write_text(output / "report.html", page)
    return output / "report.html"


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise ValueError(f"output {output} is a file; name a folder.")
    if output.is_dir():
        foreign = sorted(
            p.name
            for p in output.iterdir()
            if p.name not in _FILES and not p.name.startswith(".figures-")
        )
        if foreign:
            raise ValueError(
                f"output {output} holds something else than a report ({', '.join(foreign[:5])}); "
                "name a new folder with --output."
            )


def _replace_folder(new: Path, place: Path) -> None:
    new.chmod(0o777 & ~_umask())
    if place.exists():
        shutil.rmtree(place)
    new.rename(place)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _preface(runs: Sequence[Run], unfinished: Sequence[Path]) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(
            f"{len(runs)} finished {'run' if len(runs) == 1 else 'runs'}. Metrics are those of the "
            "test part under the predictive mixture of S weight samples; S stands in every table. "
            "Runs are one model where everything but seed and split is equal; ± is the standard "
            "error over them, and a single run has none. A tempered posterior is a model of its "
            "own and never averaged with one that has the whole KL."
        )
    ]
    if unfinished:
        names = ", ".join(f"`{path.name}`" for path in unfinished)
        blocks.append(Paragraph(f"Left out, unfinished: {names}."))
    return blocks


def _section(data: str, groups: Sequence[Group], baseline: Group, folder: Path) -> list[Block]:
    sizes = groups[0].first.results
    about = ", ".join(
        f"{sizes[key]:,} {what}"
        for key, what in (("num_train", "training"), ("num_test", "test"))
        if key in sizes
    )
    blocks: list[Block] = [Heading(data, 2)]
    if about:
        blocks.append(Paragraph(f"{groups[0].first.task.capitalize()}, {about} examples."))
    task = groups[0].first.task
    blocks += [Heading("Quality", 3), summary_table(groups, QUALITY[task])]
    if not all(run.is_the_model for group in groups for run in group.runs):
        blocks.append(
            Paragraph(
                "A model whose weights are random is its whole mixture: metrics of one sample of "
                "them are not shown. Raise `run.num_predict_samples`."
            )
        )
    if any(run.derived for group in groups for run in group.runs):
        blocks.append(
            Paragraph(
                "S → ∞ is the jackknife's estimate of what unlimited weight samples would give."
            )
        )
    calibration = summary_table(groups, CALIBRATION[task], estimator=False)
    blocks += [Heading("Calibration", 3), calibration]
    blocks.append(Paragraph(_CALIBRATION[task]))
    detection = detection_table(groups)
    if detection is not None:
        blocks += [Heading("Out of distribution", 3), detection, Paragraph(_DETECTION)]
    if len(groups) > 1:
        compared = compare(groups, baseline)
        blocks += [Heading("Paired comparisons", 3), *compared] if compared else []
    blocks += _figures(data, groups, folder)
    return [*blocks, Heading("Runs", 3), runs_table(groups)]


_CALIBRATION = {
    "classification": (
        "Calibration errors are of 15 bins; classwise and adaptive ones are means over classes, in "
        "bins of equal width and of equal mass. AURC is the area under the risk-coverage curve, of "
        "the error by the maximum probability."
    ),
    "regression": (
        "The quantile calibration error is the mean gap between the level of a quantile and the "
        "share of targets below it; sharpness the root mean predictive variance. Interval score, "
        "CRPS, RMSE and sharpness are in the unit of the target."
    ),
}
_DETECTION = (
    "AUROC: probability that an example out of distribution is scored as less sure than one in "
    "distribution. AUPR with either as the positive class. FPR95: share of examples out of "
    "distribution that pass where 95 % of those in distribution do; lower is better."
)


def _figures(data: str, groups: Sequence[Group], folder: Path) -> list[Block]:
    whole = [group for group in groups if group.first.is_the_model]
    joint = joint_figures(data, whole, folder) if whole else []
    blocks: list[Block] = [Heading("Figures", 3), *joint] if joint else []
    single: list[Block] = []
    for group in groups[:MAX_SINGLE]:
        drawn = group_figures(data, group, folder)
        if drawn:
            single += [Heading(group.name, 4), *drawn]
    if single:
        blocks += [Heading("Model by model", 3), *single]
    if len(groups) > MAX_SINGLE:
        blocks.append(
            Paragraph(
                f"Figures of single models are drawn for the first {MAX_SINGLE} of {len(groups)}; "
                "name fewer runs to see the others."
            )
        )
    return blocks


def _origin(runs: Sequence[Run]) -> list[Block]:
    """What made the runs: program, versions, dates, folders."""

    def together(values: Iterable[object]) -> str:
        return ", ".join(sorted({str(value) for value in values if value})) or "not stated"

    versions = [run.results.get("versions", {}) for run in runs]
    dates = sorted(str(run.results["date"])[:10] for run in runs if run.results.get("date"))
    span = " to ".join(sorted({dates[0], dates[-1]})) if dates else "not stated"
    packages = ("python", "tensorflow", "keras")
    return [
        Heading("Origin", 2),
        Items(
            [
                f"Revision of the program: {together(r.results.get('git_revision') for r in runs)}",
                *[f"{name}: {together(v.get(name) for v in versions)}" for name in packages],
                f"Dates of the runs: {span}",
                f"Seeds: {together(str(run.results['seed']) for run in runs)}",
            ]
        ),
    ]
