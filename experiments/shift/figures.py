"""The figures of the study."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bnn.figures.canvas import BLACK, BLUE, GREEN, VERMILION, canvas, shared_legend
from experiments.shift.evaluation import ENTROPY_EDGES
from experiments.shift.jobs import ARMS, FOREIGN, TITLES
from experiments.shift.shifts import SHIFTS, UNITS
from experiments.shift.tables import Results

# Colour, line and marker: each alone tells the arms apart, in print and for the colour-blind.
_LOOKS = {"map": (BLACK, ":", "s"), "whole": (BLUE, "-", "o"), "tempered": (VERMILION, "--", "^")}
_LABELS = {arm.name: arm.label for arm in ARMS}
_METRICS = {"accuracy": "Accuracy", "brier": "Brier score", "ece": "ECE"}


def draw_shifts(results: Results, path: Path) -> None:
    """Accuracy, Brier score and ECE of MNIST by the amount of each shift, means over seeds."""
    with canvas(path, width=7.0, height=4.4) as figure:
        panels = figure.subplots(len(SHIFTS), len(_METRICS), sharex="row", sharey="col")
        for row, kind in zip(panels, SHIFTS, strict=True):
            for axis, (metric, label) in zip(row, _METRICS.items(), strict=True):
                for arm, (color, line, marker) in _LOOKS.items():
                    runs = results.get(("mnist", arm), [])
                    if not runs:
                        continue
                    curves = [[point[metric] for point in run["shifts"][kind]] for run in runs]
                    amounts = [point["amount"] for point in runs[0]["shifts"][kind]]
                    axis.plot(
                        *(amounts, np.mean(curves, axis=0)),
                        **{"color": color, "linestyle": line, "marker": marker},
                        markersize=3.5,
                        label=_LABELS[arm],
                    )
                axis.set(xlabel=f"{kind.capitalize()}, {UNITS[kind]}", ylabel=label)
                if kind == "rotation":
                    axis.set_xticks(range(0, 181, 45))
        shared_legend(figure)


def draw_entropy(results: Results, data: str, path: Path) -> None:
    """Histograms of predictive entropy on the test set and on the foreign sets, by arm."""
    arms = [arm for arm in _LABELS if (data, arm) in results]
    sets = (data, *FOREIGN[data])
    looks = ((BLACK, "-"), (BLUE, "--"), (GREEN, ":"))
    with canvas(path, width=7.0, height=2.6) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(arms), sharey=True))
        for axis, arm in zip(panels, arms, strict=True):
            for name, (color, line) in zip(sets, looks, strict=True):
                share = np.mean([run["entropy"][name] for run in results[data, arm]], axis=0)
                kind = "its own test set" if name == data else "foreign"
                axis.stairs(
                    100 * share,
                    ENTROPY_EDGES,
                    color=color,
                    linestyle=line,
                    linewidth=1.6,
                    label=f"{TITLES[name]} ({kind})",
                )
            axis.set(title=_LABELS[arm], xlabel="Predictive entropy, nats")
            axis.set_yscale("log")
            axis.set_ylim(0.03, 100)
            axis.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        panels[0].set_ylabel("Images, %")
        shared_legend(figure)
