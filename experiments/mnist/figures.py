"""The figures of the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bnn.figures.canvas import BLACK, BLUE, GREY, VERMILION, canvas, shared_legend
from experiments.mnist.cases import Case
from experiments.mnist.pruning import SNR_EDGES
from experiments.mnist.published import PUBLISHED
from experiments.mnist.results import Row
from experiments.study import standard_error

# Colour and marker: each alone tells the kinds apart, in print and for the colour-blind.
_KINDS = {
    "whole KL": (BLUE, "o"),
    "KL × 0.1": (VERMILION, "^"),
    "fixed weights": (BLACK, "s"),
    "published": (GREY, "D"),
}
_LOOKS = ((BLUE, "-", "o"), (VERMILION, "--", "^"), (BLACK, ":", "s"))


def draw_rows(rows: Sequence[Row], data: str, path: Path) -> None:
    """Error and NLL of every row of a set, and of the published ones below."""
    ours = [row for row in rows if row.case.data == data]
    points = [
        (
            _label(row.case),
            _kind(row.case),
            *(
                (v.mean(), standard_error(v))
                for v in (100 * row.values["error"], row.values["nll"])
            ),
        )
        for row in ours
    ]
    points += [
        (f"{row.network}, {row.method}", "published", (row.error, math.nan), (row.nll, math.nan))
        for row in PUBLISHED
        if row.set == data
    ]
    with canvas(path, width=7.0, height=0.8 + 0.19 * len(points)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axis, column, label in zip(
            panels, (2, 3), ("Test error, %", "Test NLL, nats per image"), strict=True
        ):
            for place, point in enumerate(points):
                color, marker = _KINDS[point[1]]
                value, error = point[column]
                axis.errorbar(
                    *([value], [place]),
                    xerr=None if math.isnan(error) else [error],
                    color=color,
                    marker=marker,
                    markersize=4.5,
                    markerfacecolor="none" if point[1] == "published" else color,
                    linestyle="none",
                    capsize=2,
                    label=point[1],
                )
            axis.set(xlabel=label)
            axis.set_xlim(0, 1.06 * max(point[column][0] for point in points))
        panels[0].set_yticks(range(len(points)), [point[0] for point in points], fontsize=7)
        panels[0].set_ylim(len(points) - 0.5, -0.5)
        shared_legend(figure)


def _kind(case: Case) -> str:
    if not case.random:
        return "fixed weights"
    return "whole KL" if case.kl_weight == 1 else "KL × 0.1"


def _label(case: Case) -> str:
    prior = case.prior.partition(",")[0] if "mixture" in case.prior else case.prior
    if case.network == "LeNet-5" and case.random:
        return f"{case.network}, {prior}"
    short = case.estimator.replace("local reparameterization", "LRT")
    return f"{case.network}, {prior}, {short}"


def draw_pruning(curves: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Error and NLL by the share of weights kept, and the distribution of |μ|/σ."""
    with canvas(path, width=7.0, height=2.7) as figure:
        panels = figure.subplots(1, 3)
        for (title, runs), (color, line, marker) in zip(curves.items(), _LOOKS, strict=False):
            kept = [100 * (1 - point["share"]) for point in runs[0]["curve"]]
            look = {"color": color, "linestyle": line, "marker": marker, "label": title}
            for axis, metric, factor in zip(panels, ("error", "nll"), (100, 1), strict=False):
                values = [[point[metric] for point in run["curve"]] for run in runs]
                axis.plot(kept, factor * np.mean(values, axis=0), **look)
            if "snr" in runs[0]:
                share = 100 * np.mean([run["snr"] for run in runs], axis=0)
                panels[2].stairs(share, SNR_EDGES, color=color, linestyle=line, linewidth=1.4)
        for axis, label in zip(panels, ("Test error, %", "Test NLL, nats per image"), strict=False):
            axis.set(xlabel="Weights kept, %", ylabel=label, xscale="log", yscale="log")
            axis.set_xticks([100, 50, 25, 10, 5, 2, 1], ["100", "50", "25", "10", "5", "2", "1"])
            axis.minorticks_off()
            axis.invert_xaxis()
        panels[0].set_yticks([1.5, 2, 5, 10, 20, 50], ["1.5", "2", "5", "10", "20", "50"])
        panels[1].set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
        panels[2].set(xlabel="20 log₁₀ |μ|/σ, dB", ylabel="Weights, % per 2 dB")
        shared_legend(figure)
