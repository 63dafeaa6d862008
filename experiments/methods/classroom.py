"""sin(x) on 59 points with a gap: what each method says inside of the data and in the gap."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnn.figures.canvas import BLACK, BLUE, GREY, canvas
from experiments.methods.cases import CLASSROOM
from experiments.trained import restore

# The data are on both sides of the gap, from −4 to −1 and from 1 to 4.
EDGE, END = 1.0, 4.0
NOISE = 0.1
NUM_POINTS = 59
_NUM_SAMPLES = 400
# The axis of the bands' widths; what is narrower or wider stands at its end.
_NARROWEST, _WIDEST = 1e-3, 10.0


def points(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The 59 inputs and targets, `[59, 1]` each."""
    rng = np.random.default_rng(seed)
    sides = np.where(np.arange(NUM_POINTS) % 2, 1.0, -1.0)
    x = np.sort(sides * rng.uniform(EDGE, END, NUM_POINTS))[:, np.newaxis]
    return x, np.sin(x) + NOISE * rng.normal(size=x.shape)


def grid(num: int = 321) -> np.ndarray:
    """Inputs from end to end, `[num, 1]`."""
    return np.linspace(-END, END, num)[:, np.newaxis]


def write_points(path: Path) -> None:
    """Writes the set as a file; the truth without noise is its test part."""
    x, y = points()
    held = io.BytesIO()
    arrays = {"x_train": x, "y_train": y, "x_test": grid(), "y_test": np.sin(grid())}
    np.savez(held, **{name: value.astype(np.float32) for name, value in arrays.items()})
    if path.exists() and path.read_bytes() == held.getvalue():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".part").write_bytes(held.getvalue())
    path.with_suffix(".part").replace(path)


def evaluate(folder: Path) -> dict:
    """Mean and standard deviation of a run's functions on the grid, and what they are worth.

    `rmse` is that of the mean against sin(x) inside of the data; `band` the mean width of ± 2
    standard deviations of the functions, without observation noise, `inside` and in the `gap`.
    """
    run = restore(folder)
    data, x = run.data, grid()
    outputs = np.asarray(run.predict(data.prepare_inputs(x), _NUM_SAMPLES), np.float64)[..., :1]
    functions = np.asarray(data.to_own_units(outputs.astype(np.float32)), np.float64)[..., 0]
    return {
        "num_functions": len(functions),
        "mean": functions.mean(0).tolist(),
        "deviation": functions.std(0).tolist(),
        **scores(x[:, 0], functions.mean(0), functions.std(0)),
    }


def scores(x: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> dict:
    """RMSE inside of the data and widths of the band, see `evaluate`."""
    gap = np.abs(x) < EDGE
    error = (mean - np.sin(x))[~gap]
    inside, between = (4 * float(deviation[part].mean()) for part in (~gap, gap))
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "band": {"inside": inside, "gap": between},
        "ratio": between / inside if inside else None,
    }


def draw(results: dict[str, dict], path: Path) -> Figure:
    """All methods side by side: data, truth, mean and ± 2 standard deviations of the functions.

    A band of a hundredth of the curve's height cannot be seen beside it: below every curve stand
    its 2 standard deviations by themselves, on one logarithmic axis for all methods. The gap is
    shaded.
    """
    x, columns = grid()[:, 0], 3
    rows = -(-len(results) // columns)
    with canvas(path, width=7.0, height=1.75 * rows) as figure:
        heights = [1.8, 1.0] * rows
        panels = figure.subplots(
            2 * rows, columns, sharex=True, sharey="row", height_ratios=heights
        )
        curves, widths = panels[::2], panels[1::2]
        places = list(zip(curves.flat, widths.flat, strict=True))
        for (curve, width), (name, found) in zip(places, results.items(), strict=False):
            mean, wide = np.array(found["mean"]), 2 * np.array(found["deviation"])
            _draw_curve(curve, x, mean, wide)
            curve.set(title=CLASSROOM[name].title, ylim=(-2.2, 2.2), xlim=(-END, END))
            width.plot(x, np.clip(wide, _NARROWEST, _WIDEST), color=BLUE, linewidth=1.0)
            width.set(yscale="log", ylim=(_NARROWEST, _WIDEST), yticks=[0.01, 1.0])
            width.set_yticklabels(["0.01", "1"])
            width.minorticks_off()
            for axis in (curve, width):
                axis.axvspan(-EDGE, EDGE, color=GREY, alpha=0.12, linewidth=0)
        for curve, width in places[len(results) :]:
            curve.axis("off")
            width.axis("off")
        for axis in widths[:, 0]:
            axis.set_ylabel("± 2 s.d.")
        for _, width in places[max(len(results) - columns, 0) : len(results)]:
            width.tick_params(labelbottom=True)
    return figure


def _draw_curve(axis: Axes, x: np.ndarray, mean: np.ndarray, wide: np.ndarray) -> None:
    inputs, targets = points()
    axis.fill_between(x, mean - wide, mean + wide, color=BLUE, alpha=0.35, linewidth=0)
    axis.plot(x, mean, color=BLUE, linewidth=0.8)
    axis.plot(x, np.sin(x), color=GREY, linestyle=":", linewidth=1.0)
    axis.plot(inputs[:, 0], targets[:, 0], ".", color=BLACK, markersize=2.0)
