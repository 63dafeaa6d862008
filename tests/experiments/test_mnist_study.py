"""The study of MNIST: its numbers, its tables, and one small run of everything."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import bnn
from bnn import metrics
from bnn.runs.prediction_file import Predictions
from experiments.mnist import pruning, run
from experiments.mnist.candidates import CANDIDATES
from experiments.mnist.cases import BEST, CASES, GOALS, PRIORS, mlp
from experiments.mnist.published import PUBLISHED, SOURCES
from experiments.mnist.results import collect, ensemble
from experiments.mnist.tables import PARTS, goals_table, rows_table
from experiments.runs import Job
from experiments.shift.jobs import ARMS, EPOCHS, FOREIGN, Fit

WHOLE, TEMPERED = mlp("mnist", BEST), mlp("mnist", BEST, kl_weight=0.1)
MAP = mlp("mnist", "normal", random=False)


def write_run(root, case, seed, error, num_samples=32, nll=0.07):
    folder = root / case.job(seed).name
    folder.mkdir(parents=True)
    results = {
        "test": {"error": error, "nll": nll, "brier": 0.03, "ece": 0.01},
        "num_predict_samples": num_samples,
        "kl_weight": case.kl_weight,
        "kl": {"total": 12_000.0},
    }
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_every_case_has_runs_of_its_own_and_one_table():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    for case in CASES:
        assert sum(belongs(case) for belongs in PARTS.values()) == 1
    lenet = {case.job(2) for case in CASES if case.network == "LeNet-5"}
    assert lenet == {Fit(data, arm, 2).job(EPOCHS) for data in FOREIGN for arm in ARMS}
    assert {goal.case for goal in GOALS} <= set(names)
    assert PRIORS[BEST] in [candidate.prior for candidate in CANDIDATES]
    assert {row.source for row in PUBLISHED} == set(SOURCES)


def test_rows_hold_means_and_errors_over_seeds_and_never_mix_kl_weights(tmp_path):
    for seed, error in enumerate((0.01, 0.03)):
        write_run(tmp_path, WHOLE, seed, error)
    write_run(tmp_path, TEMPERED, 0, 0.015)
    write_run(tmp_path, MAP, 0, 0.02)
    rows = collect(CASES, (0, 1, 2), tmp_path)
    whole = rows_table(rows, "mnist", "whole").splitlines()
    assert len(whole) == 3
    assert "| 1 | 2.00 ± 1.00 | 0.0700 ± 0.0000 |" in whole[2]
    assert whole[2].endswith("| 12.0 ± 0.0 | 32 | 2 |")
    tempered = rows_table(rows, "mnist", "tempered").splitlines()
    assert len(tempered) == 3
    assert "| 0.1 | 1.50 | 0.0700 |" in tempered[2]
    assert rows_table(rows, "mnist", "fixed").splitlines()[2].endswith("| 1 (fixed weights) | 1 |")
    assert len(rows_table(rows, "fashion_mnist", "whole").splitlines()) == 2


def test_goals_are_upper_bounds_of_the_means(tmp_path):
    write_run(tmp_path, WHOLE, 0, 0.020, nll=0.0801)
    lines = goals_table(collect(CASES, (0,), tmp_path)).splitlines()
    assert "| 2.0 | yes, 2.00 | 0.080 | **no**, 0.0801 | 32 | 1 |" in lines[2]
    assert "not run" in lines[3]


def test_runs_of_another_kl_weight_or_number_of_samples_are_refused(tmp_path):
    folder = write_run(tmp_path, dataclasses.replace(WHOLE, kl_weight=0.1), 0, 0.02)
    with pytest.raises(ValueError, match=r"the KL weight 1, got \[32\] and \[0\.1\]"):
        collect([WHOLE], (0,), tmp_path)
    (folder / "results.json").unlink()
    folder.rmdir()
    write_run(tmp_path, WHOLE, 0, 0.02)
    write_run(tmp_path, WHOLE, 1, 0.02, num_samples=64)
    with pytest.raises(ValueError, match=r"one number of weight samples .* got \[32, 64\]"):
        collect([WHOLE], (0, 1), tmp_path)


def test_an_ensemble_is_the_mixture_of_its_members(tmp_path, rng):
    labels, members = np.array([0, 1, 2]), []
    for seed in range(2):
        logits = rng.normal(size=(1, 3, 3))
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        members.append(log_probs)
        folder = write_run(tmp_path, MAP, seed, 0.5)
        Predictions(
            "classification",
            *(1, labels, metrics.classification_losses(log_probs, labels)),
            scores=metrics.uncertainty_scores(log_probs),
            log_probs=log_probs,
        ).save(folder / "predictions" / "test.npz")
    (row,) = collect([MAP], (0, 1), tmp_path)
    mixed = ensemble(row, tmp_path)
    probability = np.exp(members).mean(axis=0)[0][np.arange(3), labels]
    assert mixed.values["nll"][0] == pytest.approx(-np.log(probability).mean(), rel=1e-5)
    assert mixed.num_samples == 2
    assert "ensemble of 2" in mixed.case.estimator
    (single,) = collect([MAP], (0,), tmp_path)
    assert ensemble(single, tmp_path) is None


def small_run(posterior):
    layers = [bnn.layers.Dense(6, kernel_posterior=posterior, bias_posterior=posterior)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    return SimpleNamespace(problem=SimpleNamespace(model=model))  # what pruning reads of a run


@pytest.mark.parametrize("posterior", [bnn.posteriors.MeanFieldNormal(0.5), bnn.posteriors.Point()])
def test_removed_weights_are_zero_with_certainty_and_others_as_before(posterior, rng):
    made = small_run(posterior)
    before, scales = pruning._moments(made)
    assert len(before) == 4 * 6 + 6
    assert (scales is None) == posterior.deterministic
    removed = rng.random(len(before)) < 0.5
    pruning._remove(made, removed)
    after, scales = pruning._moments(made)
    np.testing.assert_array_equal(after, np.where(removed, 0, before))
    if scales is not None:
        np.testing.assert_allclose(scales, np.where(removed, 1e-9, 0.5), rtol=1e-5)


def test_a_folder_of_another_run_is_refused(tmp_path):
    job = Job("a", "digits.gin", ("run.epochs = 1",), 0)
    (tmp_path / "a.job.json").write_text(
        json.dumps({"arguments": job.arguments, "wall_seconds": 1.0, "cpu_seconds": 2.0})
    )
    assert job.cost(tmp_path)["cpu_seconds"] == 2.0
    other = dataclasses.replace(job, bindings=("run.epochs = 2",))
    with pytest.raises(ValueError, match=r"other arguments \(.*run.epochs = 1.*another --root"):
        other.train(tmp_path)


def test_a_run_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.runs.sys.executable", shutil.which("false"))
    job = Job("a", "digits.gin", (), 0)
    with pytest.raises(RuntimeError, match=r"a ended with code 1; see .*a\.log"):
        job.train(tmp_path)


def test_fast_sizes_do_not_replace_the_study(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run.main(["--fast"])
    assert "--fast needs --output and --root" in capsys.readouterr().err
    assert run.main([f"--root={tmp_path}", f"--output={tmp_path}", "--report"]) == 1
    assert "has ended; leave --report out" in capsys.readouterr().err


@pytest.mark.slow
def test_the_fast_study_on_a_small_set(tmp_path, monkeypatch, write_set):
    write_set(tmp_path / "data" / "mnist", 256, 60, 0)
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(run, "_FAST", ("run.epochs = 2", "run.num_predict_samples = 2"))
    options = [f"--root={tmp_path / 'runs'}", f"--output={tmp_path / 'report'}", "--fast"]
    assert run.main(options) == 0
    text = (tmp_path / "report" / "README.md").read_text()
    for row in ("MNIST, 2×400, whole KL, best prior | 2.0 | ", "| LeNet-5 | N(0, 0.3²) | Flipout"):
        assert text.count(row) == 1
    figures = sorted(path.name for path in (tmp_path / "report").glob("*.png"))
    assert figures == ["mnist.png", "pruning.png"]
    path = tmp_path / "runs" / f"{WHOLE.name}-0" / "pruning.json"
    held = json.loads(path.read_text())
    assert [point["share"] for point in held["curve"]] == [0.0, 0.9]
    assert sum(held["snr"]) == pytest.approx(1)
    before = path.stat().st_mtime_ns
    assert run.main(options) == 0  # nothing is repeated
    assert path.stat().st_mtime_ns == before
