"""The study of gradient estimators: its closed forms, its tables, and one run of all its parts."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from experiments.gradient_estimators import dimensions, looks, run, tables
from experiments.gradient_estimators.expectation import NormalWeights
from experiments.gradient_estimators.mistakes import collection as mistakes
from experiments.gradient_estimators.mistakes.report import measure
from experiments.gradient_estimators.moments import Square
from experiments.gradient_estimators.regressions import LinearRegression, LogisticRegression
from experiments.gradient_estimators.tables import Part, Table

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "experiments" / "gradient_estimators"


# --- Closed forms -----------------------------------------------------------------------------


@pytest.fixture
def square():
    return Square(k=3.0, loc=1.0, scale=0.5)


def test_known_variances(square):
    a, s, slope = -2.0, 0.5, 1 - np.exp(-0.5)
    np.testing.assert_allclose(square.gradient(), [2 * a, 2 * s * slope])
    np.testing.assert_allclose(
        square.reparameterization(), [4 * s**2, (4 * a**2 + 8 * s**2) * slope**2]
    )
    np.testing.assert_allclose(
        square.score(),
        [
            a**4 / s**2 + 14 * a**2 + 15 * s**2,
            (2 * a**4 / s**2 + 60 * a**2 + 74 * s**2) * slope**2,
        ],
    )
    np.testing.assert_allclose(square.antithetic(), [0, 16 * s**2 * slope**2], atol=1e-12)
    np.testing.assert_allclose(square.importance(1.0 + 1e-9, 0.5), square.score(), rtol=1e-6)


def test_weights_have_the_mean_and_scale_of_the_closed_forms():
    weights = NormalWeights(3, tf.reduce_sum)
    weights.assign(1.5, 0.5)
    (site,) = weights._layer.sites
    np.testing.assert_allclose(site.posterior.mean, np.full((1, 3), 1.5))
    with tf.GradientTape() as tape:
        scale = site.posterior.scale
    np.testing.assert_allclose(scale, np.full((1, 3), 0.5), rtol=1e-6)
    slope = tape.gradient(scale, weights.variables[1])
    np.testing.assert_allclose(slope, np.full((1, 3), 1 - np.exp(-0.5)), rtol=1e-5)


def test_leave_one_out_against_simulation(square, rng):
    epsilon = rng.normal(size=(400_000, 4))
    f, psi = square.f(epsilon), square.scores[0](epsilon)
    gradients = np.mean((f - (f.sum(1, keepdims=True) - f) / 3) * psi, axis=1)
    assert 4 * gradients.var() == pytest.approx(square.leave_one_out(4)[0], rel=0.02)


@pytest.mark.parametrize("name", [looks.SCORE, looks.LEAVE_ONE_OUT, looks.REPARAMETERIZATION])
def test_many_dimensions_have_the_textbook_case_as_their_first(name):
    square = Square(dimensions.K, dimensions.LOC, dimensions.SCALE)
    textbook = {
        looks.SCORE: square.score(),
        looks.LEAVE_ONE_OUT: square.leave_one_out(dimensions.NUM_SAMPLES),
        looks.REPARAMETERIZATION: square.reparameterization(),
    }[name][0]
    assert dimensions.exact_trace(name, 1) == pytest.approx(textbook / dimensions.NUM_SAMPLES)


def test_many_dimensions_against_simulation(rng):
    """D = 5 by plain NumPy."""
    count, d = 200_000, 5
    epsilon = rng.normal(size=(count, dimensions.NUM_SAMPLES, d))
    f = np.mean((dimensions.LOC + dimensions.SCALE * epsilon) ** 2, axis=-1)[..., np.newaxis]
    others = (f.sum(1, keepdims=True) - f) / (dimensions.NUM_SAMPLES - 1)
    for name, b in ((looks.SCORE, 0.0), (looks.LEAVE_ONE_OUT, others)):
        gradients = np.mean((f - b) * epsilon / dimensions.SCALE, axis=1)
        trace = gradients.var(axis=0).sum()
        assert trace == pytest.approx(dimensions.exact_trace(name, d), rel=0.02)


@pytest.mark.parametrize("problem", [LinearRegression(), LogisticRegression()])
def test_best_mean_field_posterior_is_the_best(problem, rng):
    best = problem.best_elbo
    assert best < problem.log_evidence
    for _ in range(20):
        loc = problem.best_loc + 0.02 * rng.normal(size=problem.best_loc.shape)
        scale = problem.best_scale * np.exp(0.02 * rng.normal(size=problem.best_loc.shape))
        assert problem.elbo(loc, scale) < best


@pytest.mark.parametrize("module", mistakes.MODULES, ids=lambda module: module.__name__[34:])
def test_the_right_form_of_every_mistake_is_right(module, z_limit):
    found = measure(module, 1000, seed=1)
    assert abs(found.z) < z_limit
    if found.wrong is not None:
        error = found.wrong.std() / np.sqrt(len(found.wrong))
        assert abs(found.wrong.mean() - found.exact) > z_limit * error


# --- Tables -----------------------------------------------------------------------------------


def test_tables_and_their_prose_are_written_between_the_markers(tmp_path, monkeypatch):
    row = {"estimator": "A", "variance": 123456.0, "none": None, "seed": 1, "draws": 2000}
    monkeypatch.setitem(tables.PROSE, "small", "A note of {what}.")
    part = Part([Table("small", "A table", [row])], [], {"data": "D"}, {"what": "one row"})
    tables.write_part(tmp_path, "1", "Title", part, "cmd")
    text = tables.readme_parts(tmp_path)["part1"]
    assert text.startswith("\n### 1. Title\n")
    assert text.endswith("\nA note of one row.\n\n")
    assert "| A | 1.2·10^5 | – | 1 | 2,000 |" in text
    assert "tensorflow 2" in text
    assert "123456.0" in (tmp_path / "small.csv").read_text()
    assert not list(tmp_path.rglob("*.tmp"))


def test_rows_must_state_seed_and_draws():
    with pytest.raises(ValueError, match="table small: rows must state"):
        Table("small", "A table", [{"estimator": "A", "seed": 1}])


def test_the_study_has_a_place_for_every_part():
    text = (STUDY / "README.md").read_text()
    for name in ("whole", "part1", "part2", "part3", "part4"):
        assert text.index(f"<!-- {name} -->") < text.index(f"<!-- end of {name} -->")


# --- One run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parts=5"], "must be names with commas of 1, 2, 3, 4, got '5'"),
        (["--parts="], "of 1, 2, 3, 4, got ''"),
        (["--fast"], "--fast needs --output"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        run.parse(arguments)
    assert message in capsys.readouterr().err


def test_parts_are_chosen_in_order():
    assert run.parse(["--parts=3,1,3"]).parts == ["1", "3"]


@pytest.mark.slow
def test_every_part_runs(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", run.__name__, "--fast", f"--output={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "### 3. A real network" in (tmp_path / "README.md").read_text()
    tmp_path = tmp_path / "results"
    documents = {path.stem for path in tmp_path.glob("*.md")}
    assert documents == {"whole", "part1", "part2", "part3", "part4"}
    assert "s of processor time, on" in (tmp_path / "whole.md").read_text()
    for file in tmp_path.glob("*.csv"):
        rows = read(file)
        assert rows
        for row in rows:
            assert row["seed"]
            assert row["draws"]
            assert "nan" not in row.values()
    figures = list(tmp_path.glob("*.png"))
    assert len(figures) == 6
    assert all(figure.stat().st_size < 300_000 for figure in figures)
    assert not list(tmp_path.glob("*.tmp"))
    for row in read(tmp_path / "textbook_1.csv"):
        assert abs(float(row["z μ"])) < 6
        assert abs(float(row["z ρ"])) < 6


def read(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
