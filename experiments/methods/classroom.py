"""sin(x) on 59 points with a gap: what each method says inside of the data and in the gap."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from bnn.figures.canvas import BLACK, BLUE, GREY, canvas
from experiments.methods.cases import CLASSROOM
from experiments.trained import restore

# The data are on both sides of the gap, from −4 to −1 and from 1 to 4.
EDGE, END = 1.0, 4.0
NOISE = 0.1
NUM_POINTS = 59
_NUM_SAMPLES = 400


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


def draw(results: dict[str, dict], path: Path) -> None:
    """All methods side by side: data, truth, mean and ± 2 standard deviations of the functions."""
    x, (inputs, targets) = grid()[:, 0], points()
    columns = 3
    rows = -(-len(results) // columns)
    with canvas(path, width=7.0, height=1.5 * rows) as figure:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True)
        for axis, (name, found) in zip(panels.flat, results.items(), strict=False):
            mean, wide = np.array(found["mean"]), 2 * np.array(found["deviation"])
            axis.fill_between(x, mean - wide, mean + wide, color=BLUE, alpha=0.25, linewidth=0)
            axis.plot(x, mean, color=BLUE)
            axis.plot(x, np.sin(x), color=GREY, linestyle=":", linewidth=1.0)
            axis.plot(inputs[:, 0], targets[:, 0], ".", color=BLACK, markersize=2.0)
            axis.set(title=CLASSROOM[name].title, ylim=(-2.2, 2.2), xlim=(-END, END))
        for axis in panels.flat[len(results) :]:
            axis.axis("off")
        for axis in panels.flat[max(len(results) - columns, 0) : len(results)]:
            axis.tick_params(labelbottom=True)
