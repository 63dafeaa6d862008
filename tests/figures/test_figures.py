import math
import struct

import matplotlib
import numpy as np
import pytest
from matplotlib import _pylab_helpers

from bnn.figures import (
    MAX_TARGETS,
    learning_curve,
    predictive_band,
    predictive_intervals,
    reliability_diagram,
)

RECORDS = [
    {
        "step": 10 * epoch,
        "epoch": epoch,
        "nll": 2.3 * math.exp(-epoch / 15) + 0.05,
        "kl": 9e3 * (1 - math.exp(-epoch / 80)) + 1,
        "accuracy": 1 - 0.9 * math.exp(-epoch / 20),
        **({"valid_nll": 0.2, "valid_accuracy": 0.9} if epoch % 5 == 0 else {}),
    }
    for epoch in range(1, 301)
]
NAN = math.nan
BINS = {
    "confidence": [NAN, NAN, 0.5, 0.7, 0.95],
    "accuracy": [NAN, NAN, 0.4, 0.75, 0.96],
    "count": [0, 0, 5, 40, 900],
}


def regression(rng, size):
    mean, scale = rng.normal(150, 50, size), rng.uniform(40, 65, size)
    return {
        "y": mean + scale * rng.normal(size=size),
        "mean": mean,
        "lower": mean - 1.96 * scale,
        "upper": mean + 1.96 * scale,
    }


def several(rng, count, width):
    """Predictions `[N, D]` of several targets."""
    each = [regression(rng, count) for _ in range(width)]
    return {name: np.stack([np.ravel(e[name]) for e in each], axis=1) for name in each[0]}


FIGURES = {
    "classification": lambda path, rng: learning_curve(RECORDS, path),
    "one record": lambda path, rng: learning_curve(RECORDS[:1], path),
    "by step": lambda path, rng: learning_curve([{"step": 1, "nll": -1.0, "rmse": 2.0}], path),
    "deterministic": lambda path, rng: learning_curve(
        [{"step": s, "nll": 1 / s, "kl": 0.0} for s in range(1, 9)], path
    ),
    "with NaN": lambda path, rng: learning_curve(
        [{"step": 1, "nll": 1.0, "kl": None}, {"step": 2, "nll": NAN, "kl": math.inf}], path
    ),
    "bins": lambda path, rng: reliability_diagram(**BINS, path=path, ece=0.05),
    "bins of equal mass": lambda path, rng: reliability_diagram(
        [0.6, 0.95, 0.99], [0.7, 0.9, 1.0], [10, 10, 10], path, edges=[0, 0.9, 0.98, 1]
    ),
    "one full bin": lambda path, rng: reliability_diagram([NAN, 1.0], [NAN, 1.0], [0, 9], path),
    "band": lambda path, rng: predictive_band(
        rng.normal(size=(50, 1)), **regression(rng, 50), path=path
    ),
    "band without targets": lambda path, rng: predictive_band(
        np.linspace(0, 1, 9), **{**regression(rng, 9), "y": np.full(9, NAN)}, path=path
    ),
    "intervals": lambda path, rng: predictive_intervals(**regression(rng, 80), path=path),
    "many intervals": lambda path, rng: predictive_intervals(**regression(rng, 50_000), path=path),
    "one interval": lambda path, rng: predictive_intervals(**regression(rng, 1), path=path),
    "all outside": lambda path, rng: predictive_intervals(
        **{**regression(rng, 9), "y": np.full((9, 1), 1e4)}, path=path, level=0.9, label="MPa"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_png_of_print_resolution_and_at_most_300_kb(name, tmp_path, rng):
    path = tmp_path / "figure.png"
    FIGURES[name](path, rng)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert 600 <= width <= 2000
    assert 400 <= height <= 1200
    assert len(data) <= 300_000
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    pixels = matplotlib.image.imread(path)[..., :3]
    assert 0.01 < np.mean(pixels.min(axis=-1) < 0.9) < 0.6  # drawn on, and mostly paper


def test_the_same_data_give_the_same_file_whatever_the_users_settings(tmp_path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    learning_curve(RECORDS, first)
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20}):
        learning_curve(RECORDS, second)
    assert first.read_bytes() == second.read_bytes()
    assert dict(matplotlib.rcParams) == before


def test_a_figure_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    reliability_diagram(**BINS, path=path)
    before = path.read_bytes()

    def fail(self, file, **kwargs):
        file.write(b"half")
        raise OSError("no space")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        reliability_diagram(**BINS, path=path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_pyplot_holds_no_figure(tmp_path):
    reliability_diagram(**BINS, path=tmp_path / "figure.png")
    assert not _pylab_helpers.Gcf.figs


VECTORS = {"y": [1.0, 2.0], "mean": [1.0, 2.0], "lower": [0.0, 1.0], "upper": [2.0, 3.0]}


@pytest.mark.parametrize(
    ("draw", "changes", "message"),
    [
        (learning_curve, {"records": []}, "records must hold a finite value .* got 0 records"),
        (
            learning_curve,
            {"records": [{"step": 1, "nll": NAN}]},
            r"got 1 records with keys \['nll', 'step'\]; train for at least one logged step",
        ),
        (reliability_diagram, {"count": [0] * 5}, "count must hold a positive number"),
        (
            reliability_diagram,
            {"count": [1, 2]},
            "count must have the length of conf.*, 5, got 2",
        ),
        (reliability_diagram, {"confidence": [[0.5]] * 2}, "accuracy must have the length of conf"),
        (reliability_diagram, {"confidence": np.zeros((2, 3))}, r"vector \[N\] .* shape \[2, 3\]"),
        (
            reliability_diagram,
            {"confidence": [NAN, NAN, 0.7, 0.7, 0.95]},
            r"within its bin, \[0.4, 0.6\] for bin 2, got 0.7; pass the bins' edges",
        ),
        (
            reliability_diagram,
            {"accuracy": [NAN, NAN, 40, 75, 96]},
            "in .0, 1., got 40 in bin 2",
        ),
        (reliability_diagram, {"edges": [0, 1]}, "edges must be 6 increasing numbers"),
        (predictive_intervals, {"y": [1.0, NAN]}, "y must be finite, got nan at index 1 .1 of 2"),
        (predictive_intervals, {"mean": [NAN, 1.0]}, "mean must be finite, got nan at index 0"),
        (
            predictive_intervals,
            {"lower": [0.0, 9.0]},
            r"exceed upper, got 9.0 > 3.0 at index 1",
        ),
        (predictive_intervals, {"level": 95}, "level must be between 0 and 1, got 95; 0.95 means"),
        (predictive_intervals, {"max_examples": 1}, "max_examples must be at least 2, got 1"),
        (predictive_band, {"y": np.ones((2, 7))}, "mean must have the columns of y, 7, got 1"),
        (
            predictive_intervals,
            dict.fromkeys(VECTORS, np.ones((2, 7))),
            "y must have 1 to 6 targets, got 7; draw some of them, and name the others in not_dr",
        ),
        (predictive_band, {"y_label": ["a", "b"]}, "y_label must be a text for each of the 1 tar"),
        (predictive_band, {"x": [1.0]}, "y must have the length of x, 1, got 2"),
        (predictive_band, {"x": [1.0, NAN]}, "x must be finite, got nan at index 1"),
        (predictive_band, {"path": "curve.pdf"}, "path must end in '.png', got 'curve.pdf'"),
        (predictive_band, {"points": [1.0]}, r"points must be two arrays, .* got 1; pass \(x, y\)"),
        (predictive_band, {"points": ([1.0], [NAN])}, "targets must be finite, got nan at index 0"),
        (
            predictive_band,
            {"points": ([1.0], [[1.0, 2.0]])},
            "targets of points must have the columns of mean, 1, got 2",
        ),
    ],
)
def test_unfit_input_is_named(draw, changes, message, tmp_path):
    arguments = {
        learning_curve: {"records": RECORDS},
        reliability_diagram: BINS,
        predictive_intervals: VECTORS,
        predictive_band: {"x": [0.0, 1.0], **VECTORS},
    }[draw]
    with pytest.raises(ValueError, match=message):
        draw(**{"path": tmp_path / "figure.png", **arguments, **changes})
    assert not list(tmp_path.iterdir())


def test_points_stand_beside_a_curve_over_a_grid():
    """Dots inside of the interval as it is at their inputs, crosses outside of it."""
    grid = np.array([2.0, 0.0, 1.0])
    points = np.array([[0.5], [1.5]]), np.array([[0.9], [4.0]])
    for y in (None, np.full(3, NAN)):
        figure = predictive_band(grid, y, grid, grid - 1, grid + 1, points=points)
        *_, inside, outside = (c.get_offsets() for c in figure.axes[0].collections)
        np.testing.assert_array_equal(inside, [[0.5, 0.9]])
        np.testing.assert_array_equal(outside, [[1.5, 4.0]])


def test_the_rows_of_the_most_targets_are_at_most_a_page_of_a4(rng):
    given = several(rng, 20, MAX_TARGETS)
    for figure in (predictive_band(np.arange(20.0), **given), predictive_intervals(**given)):
        width, height = figure.get_size_inches()
        assert width <= 8.27
        assert height <= 11.69


def test_each_of_several_targets_has_panels_of_its_own(rng):
    """Its own values and name, and the others are named below."""
    given = several(rng, 40, 2)
    band = predictive_band(np.arange(40.0), **given, y_label=["load", "heat"], not_drawn=["loss"])
    rows = predictive_intervals(**given, label=["load", "heat"], not_drawn=["loss"])
    for axes in (band.axes, rows.axes[::2]):
        assert [axis.get_ylabel() for axis in axes] == ["load", "heat"]
    for figure in (band, rows):
        assert figure.axes[-1].get_xlabel().endswith("\nNot drawn: loss")
        assert "Not drawn" not in figure.axes[0].get_xlabel()
    for d, axis in enumerate(band.axes):
        np.testing.assert_array_equal(axis.lines[2].get_ydata(), given["mean"][:, d])
    inside = (given["lower"] <= given["y"]) & (given["y"] <= given["upper"])
    for d, axis in enumerate(rows.axes[1::2]):
        assert axis.get_title().startswith(f"{100 * inside[:, d].mean():.1f} % of 40")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be in a folder that exists.*; create it"):
        reliability_diagram(**BINS, path=tmp_path / "none" / "figure.png")
