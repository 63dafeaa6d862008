import json

import numpy as np
import pytest

from bnn import methods
from experiments.methods import classroom, run
from experiments.methods.cases import ACTIVATIONS, CLASSROOM, DIGITS, classroom_jobs, digits_jobs


def test_every_method_has_a_row():
    chosen = " ".join(binding for case in DIGITS.values() for binding in case.bindings)
    # A method of regressions alone has its row there.
    chosen += " ".join(CLASSROOM["conditional"].bindings)
    for name in methods.__all__:
        kind = getattr(methods, name)
        if not issubclass(kind, methods.Method) or kind is methods.Method:
            continue
        assert f"{name}()" in chosen or kind is methods.VariationalInference, name


def test_the_points_have_a_gap_and_are_always_the_same(tmp_path):
    x, y = classroom.points()
    assert x.shape == y.shape == (59, 1)
    assert np.abs(x).min() >= 1
    assert np.abs(y - np.sin(x)).max() < 0.4
    for _ in range(2):
        classroom.write_points(tmp_path / "points.npz")
        with np.load(tmp_path / "points.npz") as held:
            np.testing.assert_allclose(held["x_train"], x, rtol=1e-6)


def test_scores_of_a_known_band():
    x = classroom.grid()[:, 0]
    gap = np.abs(x) < classroom.EDGE
    found = classroom.scores(x, np.sin(x) + 0.1, np.where(gap, 0.3, 0.1))
    assert found["rmse"] == pytest.approx(0.1)
    assert found["band"] == {"inside": pytest.approx(0.4), "gap": pytest.approx(1.2)}
    assert found["ratio"] == pytest.approx(3.0)
    assert classroom.scores(x, np.sin(x), np.zeros_like(x))["ratio"] is None


def found(rmse, ratio):
    return {"rmse": rmse, "band": {"inside": 0.1, "gap": 0.2}, "ratio": ratio, "num_functions": 5}


def test_the_table_says_which_bounds_hold():
    table = run.classroom_table(
        {
            ("ensemble", "tanh"): found(0.05, 2.5),
            ("ensemble", "relu"): found(0.13, 2.5),
            ("mean_field", "tanh"): found(0.05, 1.5),
            ("mean_field", "relu"): found(0.05, None),
        }
    )
    last = [line.rstrip(" |").rpartition("| ")[2] for line in table.splitlines()[2:]]
    assert last == ["yes", "no", "no", "no"]


def test_a_report_needs_runs_and_is_made_of_those_that_have_ended(tmp_path, capsys):
    options = [f"--root={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--report"]
    assert run.main(options) == 1
    assert "has ended; leave --report out" in capsys.readouterr().err
    job = digits_jobs()["swag"]
    folder = tmp_path / "runs" / job.name
    folder.mkdir(parents=True)
    results = {
        "test": {"nll": 0.25, "error": 0.125, "ece": 0.0625},
        "num_predict_samples": 32,
        "passes_over_the_data": 300.2,
        **{"date": "2030-01-01", "git_revision": "abc", "seed": 0},
        "versions": {"python": "3", "tensorflow": "2", "keras": "3"},
    }
    (folder / "results.json").write_text(json.dumps(results))
    held = {"arguments": job.arguments, "wall_seconds": 30.0, "cpu_seconds": 24.0}
    (tmp_path / "runs" / f"{job.name}.job.json").write_text(json.dumps(held))
    assert run.main(options) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    row = "| SWAG | 0.2500 | 87.50 | 0.062 | 32 | – | 300 | 24 | `run.method = @SWAG()` |"
    assert row in text
    assert "0.2 min on 2 cores" in text


def test_a_figure_of_all_methods_is_small(tmp_path):
    x = classroom.grid()[:, 0]
    one = {"mean": np.sin(x).tolist(), "deviation": np.full(len(x), 0.1).tolist()}
    classroom.draw(dict.fromkeys(CLASSROOM, one), tmp_path / "figure.png")
    assert 10_000 < (tmp_path / "figure.png").stat().st_size < 300_000


def test_jobs_of_the_classroom_differ_by_case_and_activation():
    jobs = classroom_jobs("points.npz")
    assert len({job.name for job in jobs.values()}) == len(CLASSROOM) * len(ACTIVATIONS)
    assert "mlp.activation = 'relu'" in jobs["nuts", "relu"].bindings
