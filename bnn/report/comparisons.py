"""Paired comparisons of models on one data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bnn.report.convergence import convergence
from bnn.report.document import Block, Paragraph, Table, code
from bnn.report.groups import Group
from bnn.report.numbers import MISSING, show_difference, show_interval
from bnn.report.pairing import (
    losses_by_test_set,
    losses_of,
    not_finite,
    over_examples,
    over_runs,
    pair_runs,
)
from bnn.report.verdicts import verdict, verdict_of_not_finite

# The place of the verdict in a row.
_VERDICT = 8
_ABOUT = (
    "Difference from the metrics {about}: below zero is better. The first interval is a paired "
    "bootstrap over the rows of the test data, given the trained models (2,000 resamples, seed 0): "
    "a row that several splits test is drawn once, with all that was measured on it. The second is "
    "a paired t interval over runs with the same seed and split. Splits share training examples: "
    "there the variance is raised after Nadeau and Bengio (2003) by num_test/num_train, which is "
    "right where differences belong to the rows and too wide where they do not, and the "
    "uncorrected p-value is in brackets. Whether training had ended is told by the slope of the "
    "loss over the last fifth of the reports."
)
_UNKNOWN_OVERLAP = (
    "Some runs did not keep which rows of the data their test sets hold, so that nobody knows "
    "which examples these share: there is no interval over test examples for them, and the "
    "corrected t interval alone decides."
)


class Compared(NamedTuple):
    """What the comparisons of a data set give.

    Attributes:
      blocks: for the report; empty where there is nothing to compare.
      verdicts: on the negative log-likelihood, or why there is none, by the group's name.
    """

    blocks: list[Block]
    verdicts: dict[str, str]


def compare(groups: Sequence[Group], baseline: Group) -> list[Block]:
    """Every other group against the baseline: difference, intervals, verdict in words.

    Raises:
      ValueError: runs of one data set, seed and split were tested on different examples.
    """
    return compare_all(groups, baseline).blocks


def compare_all(groups: Sequence[Group], baseline: Group) -> Compared:
    """As `compare`, with the verdicts."""
    left_out: list[Block] = []
    verdicts: dict[str, str] = {}
    rows: list[list[str]] = []
    unknown = False
    for group in groups:
        if group is baseline:
            continue
        reason = _obstacle(baseline, group)
        if reason:
            left_out.append(Paragraph(f"Not compared: {code(group.name)}, because {reason}."))
            verdicts[group.name] = "not compared"
            continue
        found, overlap_is_known = _rows(baseline, group)
        rows += found
        verdicts[group.name] = found[0][_VERDICT] if found else "not compared"
        unknown = unknown or not overlap_is_known
    if not rows:
        return Compared(left_out, verdicts)
    headings = ["model", "posterior", "metric", "difference", "S"]
    of = f"{code(baseline.name)} ({baseline.first.posterior}, S = {baseline.first.num_functions}"
    about = f"of {of}; training {convergence(baseline)})"
    intervals = ["95 %, test examples", "95 %, seeds or splits", "p", "verdict", "training"]
    text = _ABOUT.format(about=about)
    if unknown:
        text += " " + _UNKNOWN_OVERLAP
    if len(rows) > 1:
        text += f" Nothing is adjusted for there being {len(rows)} comparisons."
    table = Table([*headings, *intervals], rows, 3, text_columns=["verdict", "training"])
    return Compared([Paragraph(text), table, *left_out], verdicts)


def _obstacle(baseline: Group, group: Group) -> str:
    """Why the two cannot be compared, or ""."""
    for one in (baseline, group):
        if not one.first.is_the_model:
            return f"{code(one.name)} was evaluated with one weight sample, which is not the model"
    if not pair_runs(baseline, group):
        return f"it has no run with the seed and split of a run of {code(baseline.name)}"
    return ""


def _rows(baseline: Group, group: Group) -> tuple[list[list[str]], bool]:
    """The rows of the table, and whether it is known which test examples the runs share."""
    pairs = pair_runs(baseline, group)
    losses = losses_of(baseline.first)
    measured = losses_by_test_set(pairs, [loss.loss for loss in losses if loss.loss])
    labels, ended = [group.name, group.first.posterior], convergence(group)
    rows = []
    for loss in losses:
        lost = not_finite(pairs, loss)
        if any(lost):
            sign = (lost[1] > 0) - (lost[0] > 0)
            difference = {1: "+∞", -1: "−∞", 0: MISSING}[sign]
            cells = [difference, str(group.first.num_functions), MISSING, MISSING, MISSING]
            words = verdict_of_not_finite(*lost, len(pairs))
            rows.append([*labels, loss.heading, *cells, words, ended])
            continue
        points = over_examples(measured, loss)
        runs, plain = over_runs(pairs, loss, splits=baseline.has_splits)
        best = points or runs
        if best is None:
            continue
        p_value = MISSING if runs is None else f"{runs.p_value:.2g}"
        if plain is not None and runs is not None and baseline.has_splits:
            p_value += f" ({plain.p_value:.2g})"
        rows.append(
            [
                *labels,
                loss.heading,
                show_difference(best, loss.factor),
                str(group.first.num_functions),
                MISSING if points is None else show_interval(points, loss.factor),
                MISSING if runs is None else show_interval(runs, loss.factor),
                p_value,
                verdict(points, runs, "splits" if baseline.has_splits else "seeds"),
                ended,
            ]
        )
    return rows, not measured.losses or measured.rows is not None


def choose_baseline(groups: dict[str, list[Group]], name: str | None) -> dict[str, Group]:
    """The baseline of every data set: the group or run of that name, or the first group.

    Raises:
      ValueError: no group or run has the name, or one of some data sets only.
    """
    if name is None:
        return {data: members[0] for data, members in groups.items()}
    found = {
        data: group
        for data, members in groups.items()
        for group in members
        if group.name == name or any(run.name == name for run in group.runs)
    }
    if not found:
        known = sorted({group.name for members in groups.values() for group in members})
        raise ValueError(
            f"baseline must be the name of a model or of a run's folder, got {name!r}; the models "
            f"are {'; '.join(known)}."
        )
    missing = sorted(set(groups) - set(found))
    if missing:
        raise ValueError(
            f"baseline {name!r} is of data set {', '.join(map(repr, sorted(found)))}, and runs of "
            f"{', '.join(map(repr, missing))} cannot be compared with it; report on one data set "
            "at a time, or name a model that all have."
        )
    return found
