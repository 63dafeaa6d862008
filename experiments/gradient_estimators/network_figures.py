"""The figures of part 3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from bnn.figures.canvas import BLACK, canvas
from experiments.gradient_estimators import looks
from experiments.gradient_estimators.network_tables import of_kind, own_weights, snr
from experiments.gradient_estimators.probe import KINDS

if TYPE_CHECKING:
    from experiments.gradient_estimators.network import State, Study

_SYMBOLS = {"loc": "μ", "scale": "ρ"}


def draw(folder: Path, study: Study) -> dict[str, str]:
    """Writes all figures; file name to caption."""
    _batch_sizes(folder / "network_batch_sizes.png", study)
    _layers(folder / "network_layers.png", study)
    _choice(folder / "network_choice.png", study)
    return {
        "network_batch_sizes.png": (
            "Variance of the gradient from the weights' noise alone, given the batch, against "
            "batch size (all layers). Noise of one's own for every example falls as 1/B; a shared "
            "weight sample reaches a plateau. Dotted grey: the variance from the choice of the "
            "batch, which no estimator removes."
        ),
        "network_layers.png": (
            f"Layer by layer, batches of {study.sizes.batch_size}: variance from the weights' "
            "noise per weight (top) and signal-to-noise ratio (bottom) of the gradient in μ. "
            "Layer 1 is next to the inputs."
        ),
        "network_choice.png": (
            "Left: weight noise against S. Right: whole variance × time relative to "
            f"reparameterization, batches of {study.sizes.batch_size}; left is better."
        ),
    }


def _title(state: State) -> str:
    names = {0: "at initialisation", 1: "after 1 epoch"}
    return names.get(state.epochs, f"after {state.epochs} epochs")


def _batch_sizes(path: Path, study: Study) -> None:
    sizes = list(study.sizes.batches)
    with canvas(path, 3.0 * len(study.states) + 0.6, 5.4) as figure:
        axes = figure.subplots(len(KINDS), len(study.states), sharex=True, sharey="row")
        for column, state in enumerate(study.states):
            for row, kind in enumerate(KINDS):
                axis: Axes = axes[row, column]
                for case in (c for c in study.sizes.cases if c.all_batch_sizes):
                    moments = [state.by_batch[case.name, size] for size in sizes]
                    data_only = case.name == looks.MEAN
                    parts = [m.total if data_only else m.noise for m in moments]
                    values = np.array([of_kind(part, kind).sum() for part in parts])
                    if np.all(values > 0):
                        label = "choice of the batch" if data_only else case.name
                        axis.plot(sizes, values, label=label, **looks.look(case.name))
                own = [of_kind(own_weights(state, size), kind).sum() for size in sizes]
                axis.plot(sizes, own, label=looks.OWN_WEIGHTS, **looks.look(looks.OWN_WEIGHTS))
                axis.set(xscale="log", yscale="log")
                if row == 0:
                    axis.set_title(_title(state))
                if row == len(KINDS) - 1:
                    axis.set_xlabel("batch size B")
                if column == 0:
                    axis.set_ylabel(f"trace of variance, gradient in {_SYMBOLS[kind]}")
        looks.legend(figure, 5)


def _layers(path: Path, study: Study) -> None:
    batch_size = study.sizes.batch_size
    weights = of_kind(study.group_sizes, "loc")
    layers = np.arange(1, len(weights) + 1)
    with canvas(path, 3.0 * len(study.states) + 0.6, 5.4) as figure:
        axes = figure.subplots(2, len(study.states), sharex=True, sharey="row")
        for column, state in enumerate(study.states):
            for case in study.sizes.cases:
                found = state.by_batch[case.name, batch_size]
                style = looks.look(case.name)
                noise = of_kind(found.noise, "loc") / weights
                if case.name != looks.MEAN:
                    axes[0, column].plot(layers, noise, label=case.name, **style)
                ratios = [snr(found, len(KINDS) * (layer - 1)) for layer in layers]
                shown = [ratio or np.nan for ratio in ratios]  # 0: lost in the noise
                axes[1, column].plot(layers, shown, label=case.name, **style)
            axes[0, column].set_title(_title(state))
            axes[1, column].set_xlabel("layer")
            axes[1, column].set_xticks(layers)
        for axis in axes.flat:
            axis.set_yscale("log")
        axes[0, 0].set_ylabel("noise variance per weight")
        axes[1, 0].set_ylabel("signal-to-noise ratio")
        looks.legend(figure, 5)


def _choice(path: Path, study: Study) -> None:
    with canvas(path, 8.2, 4.0) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
        state = next(state for state in study.states if state.by_samples)
        for case in (c for c in study.sizes.cases if c.all_sample_counts):
            for kind, face in zip(KINDS, (None, "white"), strict=True):
                counts = [s for name, s in state.by_samples if name == case.name]
                values = [of_kind(state.by_samples[case.name, s].noise, kind).sum() for s in counts]
                style = looks.look(case.name) | ({"markerfacecolor": face} if face else {})
                left.plot(counts, values, label=f"{case.name}, {_SYMBOLS[kind]}", **style)
        left.set(xscale="log", yscale="log", xlabel="weight samples S")
        left.set_xticks(study.sizes.sample_counts, [str(s) for s in study.sizes.sample_counts])
        left.minorticks_off()
        left.set_ylabel("trace of variance given the batch")
        left.legend(fontsize=6.5, loc="best")
        _products(right, study)


def _products(axis: Axes, study: Study) -> None:
    """Whole variance in μ times milliseconds, one row an estimator, one marker a state."""
    batch_size, time = study.sizes.batch_size, study.milliseconds
    names = [case.name for case in study.sizes.cases if case.name != looks.MEAN]
    markers = ("o", "s", "D")
    for marker, state in zip(markers, study.states, strict=False):
        cost = {
            name: of_kind(state.by_batch[name, batch_size].total, "loc").sum() * time[name]
            for name in names
        }
        for place, name in enumerate(names):
            axis.plot(
                cost[name] / cost[looks.REPARAMETERIZATION],
                -place,
                marker=marker,
                color=looks.look(name)["color"],
                linestyle="none",
                label=_title(state) if place == 0 else None,
                markerfacecolor="white" if state is study.states[0] else None,
            )
    axis.set_yticks([-place for place in range(len(names))], names)
    axis.set(xscale="log", xlabel="variance × time, relative to reparameterization")
    axis.axvline(1.0, color=BLACK, lw=0.6)
    axis.legend(loc="lower right", fontsize=7)
