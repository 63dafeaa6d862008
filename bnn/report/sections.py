"""What a report says of one data set: tables, comparisons, figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnn.report.comparisons import compare_all
from bnn.report.document import Block, Heading, Paragraph
from bnn.report.group_plots import group_figures
from bnn.report.groups import Group
from bnn.report.plots import joint_figures
from bnn.report.summary import summary
from bnn.report.tables import detection_table, runs_table, summary_table

# More than this of one data set would make the page too long to read; tables show all.
MAX_SINGLE = 12


def section(
    data: str, groups: Sequence[Group], baseline: Group, folder: Path
) -> tuple[list[Block], Paragraph]:
    """The blocks of a data set, with its figures in `folder`, and what the summary says of it.

    Raises:
      ValueError: runs of one data set, seed and split were tested on different examples.
    """
    sizes = groups[0].first.results
    about = ", ".join(
        f"{sizes[key]:,} {what}"
        for key, what in (("num_train", "training"), ("num_test", "test"))
        if key in sizes
    )
    blocks: list[Block] = [Heading(data, 2)]
    if about:
        blocks.append(Paragraph(f"{groups[0].first.task.capitalize()}, {about} examples."))
    blocks += _augmented(groups)
    task = groups[0].first.shown
    blocks += [Heading("Quality", 3), summary_table(groups, task.quality)]
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
    if task.calibration:
        calibration = summary_table(groups, task.calibration, estimator=False)
        blocks += [Heading("Calibration", 3), calibration]
        if task.note:
            blocks.append(Paragraph(task.note))
    detection = detection_table(groups)
    if detection is not None:
        blocks += [Heading("Out of distribution", 3), detection, Paragraph(_DETECTION)]
    compared = compare_all(groups, baseline)
    if compared.blocks:
        blocks += [Heading("Paired comparisons", 3), *compared.blocks]
    blocks += _figures(data, groups, folder)
    blocks += [Heading("Runs", 3), runs_table(groups)]
    return blocks, summary(data, groups, baseline, compared.verdicts)


def _augmented(groups: Sequence[Group]) -> list[Block]:
    """Which runs trained on augmented examples, and by which N their KL was divided."""
    found = {
        (*maps, f"{group.first.results.get('num_train', 0):,}")
        for group in groups
        if (maps := group.first.results.get("augmentation"))
    }
    if not found:
        return []
    each = " or ".join(f"{', '.join(maps)} with N = {count}" for *maps, count in sorted(found))
    return [
        Paragraph(
            f"Training examples went through {each}: the KL is divided by the number that was "
            f"observed. Compare methods under the same augmentation."
        )
    ]


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
    shown = groups[:MAX_SINGLE]
    for group, drawn in zip(shown, group_figures(data, shown, folder), strict=False):
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
