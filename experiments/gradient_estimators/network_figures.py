"""The figures of part 3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from bnn.figures.canvas import BLACK, canvas, shared_legend
from experiments.gradient_estimators import looks
from experiments.gradient_estimators.network_cases import State, Study
from experiments.gradient_estimators.network_tables import of_kind, own_weights, snr
from experiments.gradient_estimators.probe import KINDS

_SYMBOLS = {"loc": "μ", "scale": "ρ"}


def draw(folder: Path, study: Study) -> list[str]:
    """Writes all figures; their names."""
    figures = {"batch_sizes": _batch_sizes, "layers": _layers, "choice": _choice}
    for name, figure in figures.items():
        figure(folder / f"network_{name}.png", study)
    return [f"network_{name}.png" for name in figures]


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
        shared_legend(figure, 5)


def _layers(path: Path, study: Study) -> None:
    batch_size = study.sizes.batch_size
    weights = of_kind(study.group_sizes, "loc")
    layers = np.arange(1, len(weights) + 1)
    with canvas(path, 3.0 * len(study.states) + 0.6, 7.0) as figure:
        axes = figure.subplots(3, len(study.states), sharex=True, sharey="row")
        for column, state in enumerate(study.states):
            reference = of_kind(state.by_batch[looks.REPARAMETERIZATION, batch_size].noise, "loc")
            for case in study.sizes.cases:
                found = state.by_batch[case.name, batch_size]
                style = looks.look(case.name) | {"label": case.name}
                noise = of_kind(found.noise, "loc")
                if case.name != looks.MEAN:
                    axes[0, column].plot(layers, noise / weights, **style)
                if _is_score(case.name):
                    continue
                if case.name != looks.MEAN:
                    axes[1, column].plot(layers, noise / reference, **style)
                ratios = [snr(found, len(KINDS) * (layer - 1)) for layer in layers]
                axes[2, column].plot(layers, ratios, **style)
            axes[0, column].set(title=_title(state), yscale="log")
            axes[-1, column].set(xlabel="layer", xticks=layers)
        axes[0, 0].set_ylabel("noise variance per weight")
        axes[1, 0].set_ylabel("relative noise variance")
        axes[2, 0].set_ylabel("signal-to-noise ratio")
        for axis in axes[1:, 0]:
            axis.set_ylim(bottom=0)
        shared_legend(figure, 5)


def _choice(path: Path, study: Study) -> None:
    with canvas(path, 10.5, 4.0) as figure:
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 0.8])
        state = next(state for state in study.states if state.by_samples)
        for case in (c for c in study.sizes.cases if c.all_sample_counts):
            for kind, face in zip(KINDS, (None, "white"), strict=True):
                counts = [s for name, s in state.by_samples if name == case.name]
                values = [of_kind(state.by_samples[case.name, s].noise, kind).sum() for s in counts]
                style = looks.look(case.name) | ({"markerfacecolor": face} if face else {})
                label = None if face else case.name
                left.plot(counts, values, label=label, **style)
        left.set(xscale="log", yscale="log", xlabel="weight samples S")
        left.set_xticks(study.sizes.sample_counts, [str(s) for s in study.sizes.sample_counts])
        left.minorticks_off()
        left.set_ylabel("trace of variance given the batch")
        names = [case.name for case in study.sizes.cases if case.name != looks.MEAN]
        _products(middle, study, [name for name in names if not _is_score(name)])
        _products(right, study, [name for name in names if _is_score(name)])
        middle.set_xlim(0, 1.05 * middle.get_xlim()[1])
        middle.axvline(1.0, color=BLACK, lw=0.6)
        right.set_xscale("log")
        shared_legend(figure, 4)


def _is_score(name: str) -> bool:
    return name.startswith("score")


def _products(axis: Axes, study: Study, names: list[str]) -> None:
    """Whole variance in μ times milliseconds, one row an estimator, one marker a state."""
    batch_size, time = study.sizes.batch_size, study.milliseconds
    markers = ("o", "s", "D")
    for marker, state in zip(markers, study.states, strict=False):
        cost = {
            name: of_kind(state.by_batch[name, batch_size].total, "loc").sum() * time[name]
            for name in time
        }
        for place, name in enumerate(names):
            axis.plot(
                cost[name] / cost[looks.REPARAMETERIZATION],
                -place,
                marker=marker,
                color=looks.look(name)["color"],
                linestyle="none",
                markerfacecolor="white" if state is study.states[0] else None,
            )
        axis.plot([], [], marker, color=BLACK, label=_title(state), fillstyle=_fill(study, state))
    axis.set_yticks([-place for place in range(len(names))], names)
    axis.set_ylim(-len(names) + 0.5, 0.5)
    axis.set_xlabel("variance × time, relative")


def _fill(study: Study, state: State) -> str:
    return "none" if state is study.states[0] else "full"
