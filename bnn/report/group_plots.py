"""The figures of one model: its first run's, or all runs' together."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bnn import figures, metrics
from bnn.report.derived import components
from bnn.report.document import Figure
from bnn.report.groups import Group
from bnn.report.plots import drawn, figure_file
from bnn.report.statistics import mean_and_error
from bnn.runs.prediction_file import Predictions

_LEVEL = 0.95


def group_figures(data: str, group: Group, folder: Path) -> list[Figure]:
    """Draws reliability or predictions, entropies, and KL and SNR by site.

    Args:
      data: name of the data set.
      group: of it.
      folder: of the figures.
    """
    found = []
    kinds: list[tuple[str, Callable[[Group, Path], str], str]] = [
        ("reliability", _reliability, ""),
        *[
            ("predictions", functools.partial(_predictions, column=i), target)
            for i, target in enumerate(group.first.targets or [""])
        ],
        ("entropy", _entropies, ""),
        ("sites", _sites, ""),
    ]
    for kind, draw, target in kinds:
        words = [word for word in (data, group.name, kind, target) if word]
        file = figure_file(folder, *words)
        caption = drawn(functools.partial(draw, group), folder / file, group.first)
        if caption:
            about = f"{group.first.posterior}, S = {group.first.num_samples}"
            about += f", {target}" if target else ""
            found.append(Figure(file, f"{about}: {caption}"))
    return found


def _reliability(group: Group, path: Path) -> str:
    if group.first.task != "classification" or not group.first.is_the_model:
        return ""
    tables = []
    for run in group.runs:
        predictions = run.predictions()
        if predictions is not None and predictions.log_probs is not None:
            tables.append(metrics.reliability(predictions.log_probs, predictions.targets))
    if not tables:
        return ""
    counts = np.array([table.count for table in tables])
    total = counts.sum(axis=0)

    def pooled(values: list[np.ndarray]) -> np.ndarray:
        sums = np.sum(np.where(counts > 0, counts * np.nan_to_num(values), 0), axis=0)
        return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)

    ece = mean_and_error(group.values("ece")).mean
    figures.reliability_diagram(
        pooled([table.confidence for table in tables]),
        pooled([table.accuracy for table in tables]),
        total / len(tables),
        path,
        ece=None if np.isnan(ece) else ece,
    )
    runs = f"mean of {len(tables)} runs" if len(tables) > 1 else "one run"
    return (
        f"reliability in 15 bins of equal width, {runs}. Bars are 95 % Wilson intervals for the "
        "examples of one run; below, how many examples each bin holds."
    )


def _predictions(group: Group, path: Path, column: int = 0) -> str:
    run = group.first
    predictions = run.predictions()
    if predictions is None or predictions.loc is None or not run.is_the_model:
        return ""
    loc, scale = components(predictions)
    loc, scale, targets = loc[..., column], scale[..., column], predictions.targets[:, column]
    tails = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    lower, upper = metrics.quantile(loc, scale, tails)
    mean = loc.mean(axis=0)
    if predictions.inputs is not None:
        figures.predictive_band(predictions.inputs, targets, mean, lower, upper, path)
        return f"predictive mean and 95 % band at the test inputs, run {run.name}."
    figures.predictive_intervals(targets, mean, lower, upper, path)
    return f"test targets, predictions and 95 % intervals, run {run.name}."


def _entropies(group: Group, path: Path) -> str:
    run = group.first
    test = run.predictions()
    if test is None or test.task != "classification" or not run.is_the_model:
        return ""
    largest = np.log(_num_classes(test))
    strange = run.out_of_distribution()
    others = dict(list(strange.items())[: figures.MAX_SERIES - 1])
    if others:
        entropies = {f"{run.data}, test": test.scores["entropy"]}
        entropies |= {name: other.scores["entropy"] for name, other in others.items()}
        figures.entropy_histograms(entropies, path, largest=largest)
        return f"predictive entropy in and out of distribution, run {run.name}."
    wrong = test.losses["error"] > 0
    entropies = {
        name: test.scores["entropy"][kept]
        for name, kept in (("right", ~wrong), ("wrong", wrong))
        if kept.any()
    }
    figures.entropy_histograms(entropies, path, largest=largest)
    return (
        "predictive entropy of rightly and wrongly classified test examples, run "
        f"{run.name} (it left no predictions out of distribution)."
    )


def _num_classes(test: Predictions) -> int:
    if test.log_probs is not None:
        return test.log_probs.shape[-1]
    return max(int(test.targets.max()) + 1, 2)


def _sites(group: Group, path: Path) -> str:
    run = group.first
    sites = [site for site in run.sites if site.get("kl") is not None]
    if not sites:
        return ""
    ratios = [np.nan if site["median_snr"] is None else site["median_snr"] for site in sites]
    figures.site_bars(
        [f"{site['name']} ({site['size']:,})" for site in sites],
        [site["kl"] for site in sites],
        ratios,
        path,
    )
    return (
        "KL and median signal-to-noise ratio |E[w]| / √Var[w] by random tensor (number of weights "
        f"in brackets), run {run.name}. Left of the dotted line the noise exceeds the mean."
    )
