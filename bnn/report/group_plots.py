"""The figures of one model: its first run's, or all runs' together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.figure
import numpy as np

from bnn import figures, metrics
from bnn.figures.canvas import write_alike
from bnn.formatting import with_unit
from bnn.report.derived import components
from bnn.report.document import Figure
from bnn.report.figure_files import figure_file
from bnn.report.groups import Group
from bnn.report.statistics import mean_and_error
from bnn.runs.prediction_file import Predictions

_LEVEL = 0.95


class _Drawn(NamedTuple):
    """A figure that is not written yet, and what it shows."""

    figure: matplotlib.figure.Figure
    caption: str


_Draw = Callable[[Group], "_Drawn | None"]


def group_figures(data: str, groups: Sequence[Group], folder: Path) -> list[list[Figure]]:
    """Draws reliability or predictions, entropies, and KL and SNR by site, of every model.

    Figures of one kind have the same axes, so that models can be compared by eye.

    Args:
      data: name of the data set.
      groups: of it.
      folder: of the figures.

    Returns:
      Those of each group.
    """
    found: list[list[Figure]] = [[] for _ in groups]
    targets = list(dict.fromkeys(t for group in groups for t in group.first.targets)) or [""]
    kinds: list[tuple[str, _Draw, str]] = [
        ("reliability", _reliability, ""),
        *[("predictions", functools.partial(_predictions, target=t), t) for t in targets],
        ("entropy", _entropies, ""),
        ("sites", _sites, ""),
    ]
    for kind, draw, target in kinds:
        together = {}
        for members, group in zip(found, groups, strict=True):
            drawn = _tried(draw, group, kind)
            if drawn is None:
                continue
            words = [word for word in (data, group.name, kind, target) if word]
            file = figure_file(folder, *words)
            (folder / file).touch()  # so that no other figure gets the name
            together[folder / file] = drawn.figure
            about = f"{group.first.posterior}, S = {group.first.num_functions}"
            about += f", {target}" if target else ""
            members.append(Figure(file, f"{about}: {drawn.caption}"))
        if together:
            write_alike(together)
    return found


def _tried(draw: _Draw, group: Group, kind: str) -> _Drawn | None:
    """The figure; data that cannot be drawn cost their figure alone."""
    try:
        return draw(group)
    except (ValueError, KeyError, IndexError) as damage:
        run = group.first
        run.note(f"{run.path}: the figure of {kind} cannot be drawn ({damage}); left out.")
        return None


def _reliability(group: Group) -> _Drawn | None:
    if group.first.task != "classification" or not group.first.is_the_model:
        return None
    tables = []
    for run in group.runs:
        predictions = run.predictions()
        if predictions is not None and predictions.log_probs is not None:
            tables.append(metrics.reliability(predictions.log_probs, predictions.targets))
    if not tables:
        return None
    counts = np.array([table.count for table in tables])
    total = counts.sum(axis=0)

    def pooled(values: list[np.ndarray]) -> np.ndarray:
        sums = np.sum(np.where(counts > 0, counts * np.nan_to_num(values), 0), axis=0)
        return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)

    ece = mean_and_error(group.values("ece")).mean
    figure = figures.reliability_diagram(
        pooled([table.confidence for table in tables]),
        pooled([table.accuracy for table in tables]),
        total / len(tables),
        ece=None if np.isnan(ece) else ece,
    )
    runs = f"mean of {len(tables)} runs" if len(tables) > 1 else "one run"
    return _Drawn(
        figure,
        f"reliability in 15 bins of equal width, {runs}. Bars are 95 % Wilson intervals for the "
        "examples of one run; below, how many examples each bin holds.",
    )


def _predictions(group: Group, target: str = "") -> _Drawn | None:
    run = group.first
    predictions = run.predictions()
    if predictions is None or predictions.loc is None or not run.is_the_model:
        return None
    if target and target not in run.targets:
        return None
    column = run.targets.index(target) if target else 0
    loc, scale = components(predictions)
    loc, scale, targets = loc[..., column], scale[..., column], predictions.targets[:, column]
    tails = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    lower, upper = metrics.quantile(loc, scale, tails)
    mean = loc.mean(axis=0)
    label = with_unit(target or "Target", run.unit(target) or "its units")
    if predictions.inputs is not None:
        figure = figures.predictive_band(
            predictions.inputs, targets, mean, lower, upper, y_label=label
        )
        return _Drawn(figure, f"predictive mean and 95 % band at the test inputs, run {run.name}.")
    figure = figures.predictive_intervals(targets, mean, lower, upper, label=label)
    return _Drawn(figure, f"test targets, predictions and 95 % intervals, run {run.name}.")


def _entropies(group: Group) -> _Drawn | None:
    run = group.first
    test = run.predictions()
    if test is None or test.task != "classification" or not run.is_the_model:
        return None
    largest = np.log(_num_classes(test))
    strange = run.out_of_distribution()
    others = dict(list(strange.items())[: figures.MAX_SERIES - 1])
    if others:
        entropies = {f"{run.data}, test": test.scores["entropy"]}
        entropies |= {name: other.scores["entropy"] for name, other in others.items()}
        figure = figures.entropy_histograms(entropies, largest=largest)
        return _Drawn(figure, f"predictive entropy in and out of distribution, run {run.name}.")
    wrong = test.losses["error"] > 0
    entropies = {
        name: test.scores["entropy"][kept]
        for name, kept in (("right", ~wrong), ("wrong", wrong))
        if kept.any()
    }
    return _Drawn(
        figures.entropy_histograms(entropies, largest=largest),
        "predictive entropy of rightly and wrongly classified test examples, run "
        f"{run.name} (it left no predictions out of distribution).",
    )


def _num_classes(test: Predictions) -> int:
    if test.log_probs is not None:
        return test.log_probs.shape[-1]
    return max(int(test.targets.max()) + 1, 2)


def _sites(group: Group) -> _Drawn | None:
    run = group.first
    sites = [site for site in run.sites if site.get("kl") is not None]
    if not sites:
        return None
    ratios = [np.nan if site["median_snr"] is None else site["median_snr"] for site in sites]
    points = all(site["median_snr"] is None for site in sites) and not run.has_kl
    figure = figures.site_bars(
        [f"{site['name']} ({site['size']:,})" for site in sites],
        [site["kl"] for site in sites],
        ratios,
        label="−ln p(w) (nats)" if points else "KL to the prior (nats)",
    )
    if points:
        return _Drawn(
            figure,
            "−ln p(w) by tensor (number of weights in brackets): weights without noise have no KL. "
            f"Run {run.name}.",
        )
    return _Drawn(
        figure,
        "KL and median signal-to-noise ratio |E[w]| / √Var[w] by random tensor (number of weights "
        f"in brackets), run {run.name}. Left of the dotted line the noise exceeds the mean.",
    )
