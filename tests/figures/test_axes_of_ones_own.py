"""Every figure function draws into axes that it is given, and returns the figure."""

import inspect

import numpy as np
import pytest
from matplotlib.figure import Figure

from bnn import figures

LINE = np.linspace(0.01, 1, 40)
RECORDS = [
    {"step": s, "nll": 1 / s, "kl": 3.0 * s, "probe/a/w/variance": 1.0,
     "probe/a/w/variance_x_seconds": 0.1}
    for s in range(1, 9)
]  # fmt: skip
# Name to (panels, how it is called).
CASES = {
    "entropy_histograms": (
        1,
        lambda **to: figures.entropy_histograms({"a": LINE}, largest=1, **to),
    ),
    "gradient_noise": (2, lambda **to: figures.gradient_noise(RECORDS, **to)),
    "learning_curve": (2, lambda **to: figures.learning_curve(RECORDS, **to)),
    "learning_curves": (2, lambda **to: figures.learning_curves({"a": [RECORDS]}, **to)),
    "predictive_band": (
        1,
        lambda **to: figures.predictive_band(LINE, LINE, LINE, LINE - 1, LINE + 1, **to),
    ),
    "predictive_intervals": (
        2,
        lambda **to: figures.predictive_intervals(LINE, LINE, LINE - 1, LINE + 1, **to),
    ),
    "quantile_calibration": (2, lambda **to: figures.quantile_calibration({"a": LINE}, **to)),
    "reliability_diagram": (
        2,
        lambda **to: figures.reliability_diagram([0.2, 0.8], [0.3, 0.7], [5, 9], **to),
    ),
    "risk_coverage_curves": (
        1,
        lambda **to: figures.risk_coverage_curves({"a": (LINE, LINE / 9)}, **to),
    ),
    "sample_size_curves": (
        2,
        lambda **to: figures.sample_size_curves(
            {"a": (np.arange(1, 9), 1 / np.arange(1, 9), 0.1, 0.01)}, **to
        ),
    ),
    "search_trials": (
        2,
        lambda **to: figures.search_trials({"a": [1.0, 2.0, 3.0]}, [0.3, 0.2, 0.5], **to),
    ),
    "site_bars": (2, lambda **to: figures.site_bars(["k", "b"], [9.0, 1.0], [0.1, 3.0], **to)),
}


def test_every_figure_function_is_here():
    drawing = {
        name
        for name in figures.__all__
        if callable(function := getattr(figures, name))
        and "path" in inspect.signature(function).parameters
    }
    assert set(CASES) == drawing


@pytest.mark.parametrize("name", CASES)
def test_draws_into_the_axes_that_it_is_given(name):
    count, draw = CASES[name]
    mine = Figure()
    axes = mine.subplots(1, count + 1, squeeze=False)[0]  # one more, which it must leave alone
    given = axes[0] if count == 1 else axes[:count]
    assert draw(ax=given) is mine
    assert all(axis.lines or axis.patches or axis.collections for axis in axes[:count])
    assert not any((axes[-1].lines, axes[-1].patches, axes[-1].collections))
    assert len(mine.axes) == count + 1
    assert not mine.legends


@pytest.mark.parametrize("name", CASES)
def test_without_axes_or_path_it_is_a_figure_that_a_notebook_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = CASES[name][1]()
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == []


def test_another_number_of_axes_is_refused():
    axes = Figure().subplots(1, 3)
    with pytest.raises(
        ValueError, match=r"ax must be 2 axes, one for each panel, got 3; make them"
    ):
        CASES["site_bars"][1](ax=axes)
    with pytest.raises(ValueError, match=r"ax must be one axes, got 3"):
        CASES["entropy_histograms"][1](ax=axes)
