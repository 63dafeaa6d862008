"""Regressions of several targets: each by itself, by its name, in its unit."""

import json
import re

import numpy as np
import pytest

from bnn import figures, metrics
from bnn.report import build_report
from bnn.report.figure_files import slug
from bnn.report.group_plots import group_figures
from bnn.report.groups import group_runs
from bnn.report.pairing import losses_of
from bnn.report.plots import joint_figures
from bnn.report.runs import metric, read_runs
from bnn.report.tables import summary_table
from bnn.report.tasks import TASKS
from bnn.runs.prediction_file import Predictions

NAMES = ("temperature", "pressure, kg/m/s²")
UNITS = np.array([1.0, 1000.0])


@pytest.fixture
def write_two(write_run):
    """A run whose predictions are of a temperature and of a pressure a thousand times its size."""

    def write(name, quality=2.0, **options):
        folder = write_run(name, make=write_run.regression, **options)
        targets = np.random.default_rng(1).normal(size=(60, 2)) * UNITS
        noise = np.random.default_rng(len(name)).normal(size=(6, 60, 2)) / quality
        loc, scale = targets + noise * UNITS, np.full((1, 1, 2), 0.5) * UNITS
        losses = metrics.regression_losses(loc, scale, targets, NAMES)
        scores = metrics.regression_scores(loc, np.broadcast_to(scale, loc.shape), NAMES)
        Predictions("regression", 6, targets, losses, scores, loc=loc, scale=scale).save(
            folder / "predictions" / "test.npz"
        )
        test = {"nll": losses["nll"].mean(), "log_likelihood": -losses["nll"].mean()}
        for name_of, values in (
            ("rmse", metrics.rmse(loc, targets)),
            ("crps", metrics.crps(loc, scale, targets)),
            ("coverage_95", metrics.interval_coverage(loc, scale, targets)),
        ):
            test |= metrics.by_target(name_of, values, NAMES)
        file = folder / "results.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "test": test}))
        return folder

    return write


def test_columns_are_of_each_target(write_two):
    runs = read_runs([write_two("a"), write_two("bb", estimator="Mean")]).runs
    assert runs[0].task == "regression"
    assert runs[0].targets == list(NAMES)
    groups = group_runs(runs)["toy"]
    table = summary_table(groups, TASKS["regression"].quality)
    shown = [
        "RMSE, temperature",
        "RMSE, pressure, kg/m/s²",
        "CRPS, temperature",
        "CRPS, pressure, kg/m/s²",
    ]
    assert list(table.columns[-4:]) == shown
    value = float(table.rows[0][-3])
    assert value == pytest.approx(metric(groups[0].first, "rmse/pressure, kg/m/s²"), rel=1e-3)
    assert value > 100 * float(table.rows[0][-4])
    table = summary_table(groups, TASKS["regression"].calibration, estimator=False)
    assert "coverage of 95 %, %, pressure, kg/m/s²" in table.columns
    assert "coverage of 50 %, %, pressure, kg/m/s²" in table.columns  # from the predictions
    assert "interval score 95 %, temperature" in table.columns
    assert not any(column in ("RMSE", "CRPS") for column in table.columns)


def test_comparisons_are_of_each_target(write_two):
    [run] = read_runs([write_two("a")]).runs
    assert [(loss.metric, loss.loss, loss.heading) for loss in losses_of(run)] == [
        ("nll", "nll", "NLL, nats"),
        ("rmse/temperature", "squared_error/temperature", "RMSE, temperature"),
        ("rmse/pressure, kg/m/s²", "squared_error/pressure, kg/m/s²", "RMSE, pressure, kg/m/s²"),
        ("crps/temperature", "crps/temperature", "CRPS, temperature"),
        ("crps/pressure, kg/m/s²", "crps/pressure, kg/m/s²", "CRPS, pressure, kg/m/s²"),
    ]


def test_a_report_has_figures_of_each(write_two, tmp_path):
    said = []
    folders = [write_two("a"), write_two("bb", estimator="Mean", quality=4.0)]
    build_report(folders, tmp_path / "out", say=said.append)
    assert said == []
    text = (tmp_path / "out" / "report.md").read_text()
    drawn = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    for target in NAMES:
        for kind in ("risk-coverage", "quantiles", "predictions"):
            assert any(kind in name and slug(target) in name for name in drawn), (kind, target)
        assert f"| RMSE, {target} |" in text
    assert re.search(r"toy, pressure, kg/m/s²: risk against coverage", text)


KNOWN = {"target_units": {"temperature": "K"}}


def test_headings_name_the_units_that_are_known(write_two):
    [run] = read_runs([write_two("a", changes=KNOWN)]).runs
    groups = group_runs([run])["toy"]
    columns = summary_table(groups, TASKS["regression"].quality).columns
    assert "RMSE, temperature (K)" in columns
    assert "RMSE, pressure, kg/m/s²" in columns
    assert "log-likelihood, nats" in columns
    columns = summary_table(groups, TASKS["regression"].calibration, estimator=False).columns
    assert "interval score 95 %, temperature (K)" in columns
    assert "coverage of 95 %, %, temperature" in columns
    headings = [loss.heading for loss in losses_of(run)]
    assert "CRPS, temperature (K)" in headings
    assert "CRPS, pressure, kg/m/s²" in headings


def test_the_unit_of_one_target_and_of_a_head(write_run):
    of_one = write_run("a", make=write_run.regression, changes={"target_units": {"load": "kWh"}})
    [run] = read_runs([of_one]).runs
    assert run.unit() == "kWh"
    table = summary_table(group_runs([run])["toy"], TASKS["regression"].quality)
    assert "RMSE (kWh)" in table.columns
    assert [loss.heading for loss in losses_of(run)] == ["NLL, nats", "RMSE (kWh)", "CRPS (kWh)"]
    changes = {"task": "heads", "target_units": {"load": "kWh"}}
    heads = write_run("b", changes=changes, test={"nll": 1.0, "load/rmse": 2.0, "kind/error": 0.1})
    [run] = read_runs([heads]).runs
    columns = summary_table(group_runs([run])["toy"], run.shown.quality).columns
    assert {"NLL, nats", "RMSE, load (kWh)", "error, %, kind"} <= set(columns)


def test_axes_name_the_unit_of_their_target(write_two, tmp_path, monkeypatch):
    labels = []
    draw = figures.predictive_intervals
    monkeypatch.setattr(
        figures,
        "predictive_intervals",
        lambda *args, label, **options: labels.append(label) or draw(*args, label=label, **options),
    )
    curves = figures.risk_coverage_curves
    monkeypatch.setattr(
        figures,
        "risk_coverage_curves",
        lambda *args, risk_label: labels.append(risk_label) or curves(*args, risk_label=risk_label),
    )
    groups = group_runs(read_runs([write_two("a", changes=KNOWN)]).runs)["toy"]
    group_figures("toy", groups, tmp_path)
    joint_figures("toy", groups, tmp_path)
    assert labels == [
        "temperature (K)",
        "pressure, kg/m/s² (its units)",
        "Squared error among the answered (K²)",
        "Squared error among the answered (target units²)",
    ]
