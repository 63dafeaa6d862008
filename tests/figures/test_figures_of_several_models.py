"""What the figures of several models show, read off their axes."""

import contextlib
import itertools
import math
import struct
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from bnn import figures
from bnn.figures.canvas import write_alike
from bnn.figures.series import MAX_SERIES, legend_columns, style

NAN = math.nan
SIZES = np.arange(1, 33)
RUNS = [
    [{"step": s, "epoch": s / 10, "nll": 1 / s + shift, "kl": 3.0 * s} for s in (10, 20, 30)]
    for shift in (0.0, 0.2)
]
MANY = {str(n): None for n in range(MAX_SERIES + 1)}
DRAW = {
    "risk": lambda path: figures.risk_coverage_curves(
        {"a": (np.linspace(0.001, 1, 900), np.linspace(0, 0.1, 900)), "b": ([0.5, 1], [0.1, 0.2])},
        path,
    ),
    "samples": lambda path: figures.sample_size_curves(
        {"a": (SIZES, 1 + 1 / SIZES, 0.99, 0.01), "b": (SIZES, 2 + 1 / SIZES, NAN, NAN)}, path
    ),
    "learning": lambda path: figures.learning_curves({"a": RUNS, "b": RUNS[:1]}, path),
    "entropy": lambda path: figures.entropy_histograms(
        {"own": np.linspace(0, 0.5, 99), "other": np.linspace(1, 2.2, 50)}, path, largest=2.3
    ),
    "sites": lambda path: figures.site_bars(
        ["a/kernel", "a/bias", "b/kernel"], [1200.0, 3.0, 0.02], [0.3, 12.0, NAN], path
    ),
    "quantiles": lambda path: figures.quantile_calibration(
        {"a": np.linspace(0, 1, 101), "b": np.linspace(0.2, 0.8, 50)}, path
    ),
}


@pytest.fixture
def drawn(monkeypatch):
    """The figure that a drawing function drew last; nothing is written."""
    kept = []

    @contextlib.contextmanager
    def canvas(path, width, height, ax=None):
        kept.append(Figure(figsize=(width, height)))
        yield kept[-1]

    for module in ("curves", "learning_curves", "histograms", "site_bars", "quantile_calibration"):
        monkeypatch.setattr(sys.modules[f"bnn.figures.{module}"], "canvas", canvas)
    return kept


@pytest.mark.parametrize("name", DRAW)
def test_a_png_of_print_resolution(name, tmp_path):
    DRAW[name](tmp_path / "figure.png")
    data = (tmp_path / "figure.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert 600 <= width <= 2000
    assert 300 <= height <= 1200
    assert len(data) <= 300_000
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_series_differ_in_more_than_colour():
    looks = [style(number) for number in range(MAX_SERIES)]
    assert len({look["color"] for look in looks}) == MAX_SERIES
    assert len({look["marker"] for look in looks}) == MAX_SERIES
    pairs = itertools.pairwise(looks)
    assert all(a["linestyle"] != b["linestyle"] for a, b in pairs)


def test_legends_have_as_many_columns_as_fit():
    assert legend_columns(["a" * 60, "b"], 5.0) == 1
    assert legend_columns(["ab", "cd", "ef"], 5.0) == 3


def test_risk_is_drawn_against_coverage(drawn):
    DRAW["risk"](None)
    [axis] = drawn[-1].axes
    first, second = axis.get_lines()
    assert (first.get_label(), second.get_label()) == ("a", "b")
    assert first.get_xydata()[-1] == pytest.approx([1.0, 0.1])
    assert len(first.get_xdata()) <= 500
    np.testing.assert_allclose(second.get_xydata(), [[0.5, 0.1], [1.0, 0.2]])
    assert axis.get_ylim()[0] == 0


def test_limits_stand_beside_the_curves(drawn):
    DRAW["samples"](None)
    left, right = drawn[-1].axes
    curves = [line for line in left.get_lines() if len(line.get_xdata()) == 32]
    np.testing.assert_allclose(curves[0].get_ydata(), 1 + 1 / SIZES)
    [limit] = right.containers  # b has none
    assert limit[0].get_xydata() == pytest.approx(np.array([[0.0, 0.99]]))
    low, high = limit[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(1.959964 * 0.01)
    assert left.get_xscale() == "log"


def test_a_curve_that_starts_at_infinity_is_drawn_from_where_it_is_finite(drawn):
    values = np.where(SIZES < 3, np.inf, 1.0)
    figures.sample_size_curves({"a": (SIZES, values, NAN, NAN)}, None)
    [line] = drawn[-1].axes[0].get_lines()
    assert line.get_xdata()[0] == 3


def test_learning_curves_are_means_with_ranges(drawn):
    DRAW["learning"](None)
    nll, kl = (axis for axis in drawn[-1].axes if axis.get_visible())
    mean, single = nll.get_lines()
    np.testing.assert_allclose(mean.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(mean.get_ydata(), [0.2, 0.15, 1 / 30 + 0.1])
    np.testing.assert_allclose(single.get_ydata(), [0.1, 0.05, 1 / 30])
    [band] = nll.collections  # a single run has no range
    ends = band.get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == pytest.approx((1 / 30, 0.3))
    assert "KL" in kl.get_ylabel()


def test_learning_curves_of_runs_that_reported_at_different_times(drawn):
    figures.learning_curves({"a": [RUNS[0], RUNS[1][1:]]}, None)
    [line] = drawn[-1].axes[0].get_lines()
    np.testing.assert_allclose(line.get_xdata(), [2, 3])


def test_histograms_are_shares(drawn):
    DRAW["entropy"](None)
    [axis] = drawn[-1].axes
    filled, own, other = axis.patches
    for patch in (filled, own, other):
        assert patch.get_data().values.sum() == pytest.approx(1.0)
    assert own.get_label() == "own (n = 99, mean 0.250)"
    assert own.get_linestyle() != other.get_linestyle()


def test_bars_are_in_the_models_order_and_say_where_there_is_no_noise(drawn):
    DRAW["sites"](None)
    left, right = drawn[-1].axes
    assert [bar.get_width() for bar in left.patches] == [1200.0, 3.0, 0.02]
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "a/kernel",
        "a/bias",
        "b/kernel",
    ]
    assert left.yaxis_inverted()
    assert [bar.get_width() for bar in right.patches] == pytest.approx([0.3 - 1, 12.0 - 1])
    assert [bar.get_x() for bar in right.patches] == [1.0, 1.0]
    assert "no noise" in [text.get_text() for text in right.texts]


def test_points_have_one_panel_and_their_own_word():
    figure = figures.site_bars(["a", "b"], [3.0, 2.0], [NAN, NAN], label="−ln p(w) (nats)")
    [axis] = figure.axes
    assert axis.get_xlabel() == "−ln p(w) (nats)"


def test_coverage_without_any_risk_is_left_out():
    coverage = np.linspace(0.01, 1, 100)
    risk = np.where(coverage > 0.755, 0.1 * coverage, 0)
    left = figures.risk_coverage_curves({"a": (coverage, risk)}).axes[0].get_xlim()[0]
    assert left == pytest.approx(0.6)
    left = figures.risk_coverage_curves({"a": (coverage, 0.1 + risk)}).axes[0].get_xlim()[0]
    assert left == 0


def test_a_first_sample_that_is_far_off_leaves_the_others_apart():
    far = figures.sample_size_curves({"a": (SIZES, 4 / SIZES + 1, NAN, NAN)}).axes[0]
    below = figures.sample_size_curves({"a": (SIZES, 4 / SIZES - 2, NAN, NAN)}).axes[0]
    assert (far.get_yscale(), below.get_yscale()) == ("log", "linear")


@pytest.mark.parametrize(("count", "rows"), [(1, [1]), (4, [2, 2]), (5, [3, 2]), (7, [3, 2, 2])])
def test_learning_curves_leave_no_place_empty(count, rows):
    keys = ("nll", "valid_nll", "kl", "loss", "elbo", "kl_weight", "accuracy")[:count]
    records = [{"step": s, **dict.fromkeys(keys, 1.0 + s)} for s in range(1, 5)]
    figure = figures.learning_curves({"a": [records]})
    figure.canvas.draw()
    tops = [round(axis.get_position().y1, 2) for axis in figure.axes]
    assert [tops.count(top) for top in dict.fromkeys(tops)] == rows
    right = [max(a.get_position().x1 for a in figure.axes if round(a.get_position().y1, 2) == t)
             for t in dict.fromkeys(tops)]  # fmt: skip
    assert right == pytest.approx([right[0]] * len(rows), abs=0.02)


def test_figures_that_are_written_alike_have_the_same_axes(tmp_path):
    """The wider limits of each panel; one logarithmic axis makes all so."""
    drawn = {
        tmp_path / f"{n}.png": figures.reliability_diagram([0.3, 0.8], [0.4, 0.7], counts)
        for n, counts in enumerate(([5, 9], [1, 900]))
    }
    write_alike(drawn)
    first, second = (figure.axes[1] for figure in drawn.values())
    assert first.get_yscale() == second.get_yscale() == "log"
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[1] >= 900
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.png", "1.png"]


def test_a_search_shows_its_best_trial_and_what_was_stopped():
    choices = {"scale": [0.01, 0.1, 1.0], "estimator": ["@Flipout()", "@Mean()", "@Flipout()"]}
    figure = figures.search_trials(choices, [0.4, 0.2, 0.1], stopped=[False, False, True])
    trial, scale, estimator = figure.axes
    best = [line for line in scale.lines if line.get_label() == "best"]
    assert best[0].get_xydata().tolist() == [[0.1, 0.2]]  # 0.1 was stopped before its end
    np.testing.assert_allclose(trial.lines[0].get_ydata(), [0.4, 0.2, 0.2])
    assert scale.get_xscale() == "log"
    assert [t.get_text() for t in estimator.get_xticklabels()] == ["@Flipout()", "@Mean()"]


def test_quantiles_and_histogram_are_of_the_transforms(drawn):
    DRAW["quantiles"](None)
    left, right = drawn[-1].axes
    calibrated, narrow = left.get_lines()[1:]
    np.testing.assert_allclose(calibrated.get_ydata(), calibrated.get_xdata(), atol=0.011)
    assert narrow.get_ydata()[10] == 0.0
    assert narrow.get_ydata()[90] == 1.0
    densities = [p.get_data().values for p in right.patches if hasattr(p, "get_data")]
    assert [d.mean() for d in densities] == pytest.approx([1.0, 1.0])


def test_fewer_independent_targets_have_wider_bands(drawn):
    heights = []
    for number in (50, 5000):
        figures.quantile_calibration({"a": np.linspace(0, 1, 9999)}, None, num_targets=number)
        band = drawn[-1].axes[0].collections[0].get_paths()[0].vertices
        middle = band[np.abs(band[:, 0] - 0.5) < 1e-9, 1]
        heights.append(np.ptp(middle))
    assert heights[0] / heights[1] == pytest.approx(10.0, rel=0.1)


ERRORS = [
    (
        lambda path: figures.search_trials({"a": [1.0]}, [0.1, 0.2], path),
        r"a must have the length of scores, 2, got 1; give one for each trial",
    ),
    (
        lambda path: figures.search_trials({}, [NAN], path),
        r"scores must hold a finite number, got none",
    ),
    (
        lambda path: figures.risk_coverage_curves({}, path),
        rf"curves must hold 1 to {MAX_SERIES} series, got 0; more cannot be told apart",
    ),
    (lambda path: figures.sample_size_curves(MANY, path), rf"got {MAX_SERIES + 1}; more cannot"),
    (
        lambda path: figures.risk_coverage_curves({"a": ([0.5, 1], [0.1])}, path),
        "risk must have the length of coverage, 2, got 1",
    ),
    (
        lambda path: figures.risk_coverage_curves({"a": ([0.5, 1], [0.1, NAN])}, path),
        "risk must be finite, got nan at index 1",
    ),
    (
        lambda path: figures.learning_curves({"a": [[{"step": 1, "nll": NAN}]]}, path),
        "groups must hold a finite value for one of nll, kl, .* got 1 records without",
    ),
    (
        lambda path: figures.entropy_histograms({"a": [0.5]}, path, largest=0.0),
        "largest must be positive, got 0.0; pass log C for C classes",
    ),
    (
        lambda path: figures.entropy_histograms({"a": [NAN]}, path, largest=1.0),
        "entropies must be finite, got nan",
    ),
    (
        lambda path: figures.site_bars(["a"], [1.0, 2.0], [1.0, 2.0], path),
        "names must have the length of kl, 2, got 1; name each site",
    ),
    (
        lambda path: figures.site_bars(["a"], [math.inf], [1.0], path),
        r"kl must be finite, got \[inf\]; train with a proper prior",
    ),
    (
        lambda path: figures.quantile_calibration({"a": [0.5, 1.5]}, path),
        r"transforms must lie in \[0, 1\], got 0.5 to 1.5 for 'a'; pass the CDF",
    ),
]


@pytest.mark.parametrize(("draw", "message"), ERRORS)
def test_unfit_input_is_named(draw, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw(tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_text("mine")
    (tmp_path / "a.png.tmp").symlink_to(foreign)
    figures.learning_curves({"a": RUNS}, tmp_path / "a.png")
    assert foreign.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.png.tmp", "foreign"]


@pytest.mark.parametrize("name", ["reliability", "entropy"])
def test_small_numbers_are_not_shown_as_zero(drawn, monkeypatch, tmp_path, name):
    canvas = sys.modules["bnn.figures.learning_curves"].canvas
    if name == "entropy":
        figures.entropy_histograms({"own": np.full(9, 0.0004)}, tmp_path / "a.png", largest=2.3)
    else:
        monkeypatch.setattr(sys.modules["bnn.figures.reliability"], "canvas", canvas)
        bins = np.array([0.5]), np.array([0.5]), np.array([9])
        figures.reliability_diagram(*bins, tmp_path / "a.png", ece=0.0004)
    said = [text for axis in drawn[-1].axes for text in axis.get_legend_handles_labels()[1]]
    assert any("0.000400" in text for text in said), said
