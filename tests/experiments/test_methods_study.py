import json

import numpy as np
import pytest

from bnn import methods
from experiments.methods import classroom, digits, kept, published, run, uci
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


def ended(root, jobs, names, cpu_seconds=24.0):
    for name in names:
        job = jobs[name]
        (root / job.name).mkdir(parents=True, exist_ok=True)
        results = {
            "test": {"nll": 0.25, "error": 0.125, "ece": 0.0625},
            **{"num_predict_samples": 32, "passes_over_the_data": 300.2},
            **{"date": "2030-01-01", "git_revision": "abc", "seed": 0},
            "versions": {"python": "3", "tensorflow": "2", "keras": "3"},
        }
        (root / job.name / "results.json").write_text(json.dumps(results))
        held = {"arguments": job.arguments, "wall_seconds": 30.0, "cpu_seconds": cpu_seconds}
        (root / f"{job.name}.job.json").write_text(json.dumps(held))


def test_a_report_needs_runs_and_is_made_of_those_that_have_ended(tmp_path, capsys):
    options = [f"--root={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--report"]
    assert run.main(options) == 1
    assert "has ended; leave --report out" in capsys.readouterr().err
    job = digits_jobs()["swag"]
    ended(tmp_path / "runs", {"swag": job}, ["swag"])
    assert run.main(options) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    row = "| SWAG | 0.2500 | 87.50 | 0.062 | 32 | – | – | 300 | 24 | `run.method = @SWAG()` |"
    assert row in text
    assert "1 runs, 0.4 min of processor time.\n" in text
    again = run.main([*options[1:], f"--root={tmp_path / 'gone'}"])  # of the record alone
    assert again == 0
    assert (tmp_path / "out" / "README.md").read_text() == text


def test_a_figure_of_all_methods_is_small(tmp_path):
    x = classroom.grid()[:, 0]
    one = {"mean": np.sin(x).tolist(), "deviation": np.full(len(x), 0.1).tolist()}
    classroom.draw(dict.fromkeys(CLASSROOM, one), tmp_path / "figure.png")
    assert 10_000 < (tmp_path / "figure.png").stat().st_size < 300_000


def test_a_band_that_is_narrower_than_a_line_is_seen_by_its_width(tmp_path):
    x = classroom.grid()[:, 0]
    deviation = np.where(np.abs(x) < classroom.EDGE, 0.02, 0.002)
    one = {"mean": np.sin(x).tolist(), "deviation": deviation.tolist()}
    figure = classroom.draw({"nuts": one, "swag": one}, tmp_path / "figure.png")
    widths = [axis for axis in figure.axes if axis.get_yscale() == "log" and axis.axison]
    assert len(widths) == 2
    for axis in widths:
        [line] = axis.lines
        np.testing.assert_allclose(line.get_ydata(), 2 * deviation)
        low, high = axis.transAxes.inverted().transform(axis.transData.transform(
            [(0.0, 0.004), (0.0, 0.04)]))[:, 1]  # fmt: skip
        assert high - low > 0.2


def test_jobs_of_the_classroom_differ_by_case_and_activation():
    jobs = classroom_jobs("points.npz")
    assert len({job.name for job in jobs.values()}) == len(CLASSROOM) * len(ACTIVATIONS)
    assert "mlp.activation = 'relu'" in jobs["nuts", "relu"].bindings


def test_the_time_of_a_whole_command_is_kept_until_a_row_is_another(tmp_path):
    jobs, path = digits_jobs(), tmp_path / "digits.json"
    ended(tmp_path, jobs, ["map", "hmc"])
    timed = {"wall_seconds": 330.0, "workers": 2}
    held = kept.keep(path, jobs, tmp_path, digits.record, timed)
    assert list(held["rows"]) == ["map", "hmc"]
    assert "5.5 min from the first run's start to the last one's end, 2 at a time" in (
        kept.provenance("digits", held)
    )
    assert kept.keep(path, jobs, tmp_path, digits.record, None) == held
    ended(tmp_path, jobs, ["hmc"], cpu_seconds=99.0)
    held = kept.keep(path, jobs, tmp_path, digits.record, None)
    assert held["timed"] is None
    assert "min from" not in kept.provenance("digits", held)


def image(accuracy, kmnist):
    rest = {"nll": 0.03, "ece": 0.01, "fashion_mnist": 0.9886, "functions": 1}
    return {"accuracy": accuracy, "kmnist": kmnist, **rest}


def test_published_figures_are_reached_as_they_were_printed():
    rows = {"map": image(0.9916, 0.9694), "swag": image(0.99, 0.9), "ensemble": image(1.0, 1.0)}
    lines = published.images_table(rows).splitlines()[2:]
    assert "| 99.16 (99.1) | 0.0300 (0.037) | 0.0100 | 98.9 (98.9) | 96.9 (97.0) | 1 |" in lines[0]
    assert lines[0].endswith("| AUROC, KMNIST |")
    assert lines[1].endswith("| AUROC, Fashion-MNIST |")
    assert lines[2].endswith("| – |")  # nothing published
    assert published.reached(0.0374, "0.037", -1)
    assert not published.reached(0.0376, "0.037", -1)


def test_means_over_splits_are_reached_within_two_standard_errors():
    def rows(log_likelihood, rmse):
        values = [{"log_likelihood": log_likelihood + d, "rmse": rmse + d} for d in (-0.1, 0.1)]
        return {f"yacht_{i}_0.01": value for i, value in enumerate(values)}

    near, far = (uci.table(rows(*v), {"yacht": 0.01}) for v in ((-1.3, 0.5), (-1.5, 2.0)))
    assert "| yacht | 2 | 0.01 | −1.30 ± 0.10 | −1.18 ± 0.21 | −1.1 |" in near
    assert near.rstrip().endswith("| none |")
    assert far.rstrip().endswith("| log-likelihood, RMSE |")


def test_published_rows_are_one_binding_apart():
    jobs = published.jobs()
    assert len({job.name for job in jobs.values()}) == len(published.IMAGES)
    assert "run.epochs = 30" in jobs["ensemble"].bindings


def test_the_rate_is_chosen_by_validation_rows_of_every_split():
    jobs = uci.rate_jobs()
    assert len({job.name for job in jobs.values()}) == 3 * 3 * 5
    assert all("uci.validation_fraction = 0.2" in job.bindings for job in jobs.values())
    rows = {name: {"valid_nll": 1.0} for name in jobs}
    rows |= {f"yacht_{split}_0.03": {"valid_nll": 0.5} for split in uci.SPLITS}
    del rows["concrete_4_0.01"]  # has not ended: nothing is chosen yet
    assert uci.chosen(rows) == {"bostonHousing": 3e-3, "yacht": 3e-2}
    final = uci.jobs(uci.chosen(rows))
    assert len(final) == 10
    assert "yacht_4_0.03" in final
    assert not any("validation" in b for job in final.values() for b in job.bindings)
    assert not {job.name for job in final.values()} & {job.name for job in jobs.values()}
    assert "| yacht | 1.000 ± 0.000 | 1.000 ± 0.000 | **0.500 ± 0.000** |" in uci.rates_table(rows)
