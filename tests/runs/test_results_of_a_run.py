"""What a run leaves in its folder, gives back and reports."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.experiment import run
from bnn.methods import MAP, StackedEnsemble, VariationalInference
from bnn.runs import session, train
from bnn.runs.prediction_file import load_predictions
from bnn.schedules import Constant, LinearWarmup
from bnn.tracking import Console, read_jsonl
from tests.runs.toy_runs import (
    arguments,
    checkpoint_bits,
    classes,
    comparable,
    linear,
    values,
    without_times,
)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Folder and results of a run as users start it: compiled predictions, figures, XLA."""
    keras.utils.set_random_seed(0)
    workdir = tmp_path_factory.mktemp("whole") / "run"
    return workdir, run(workdir, **arguments(data=classes(num_valid=5), jit_compile=True))


def test_what_a_run_leaves_in_its_folder(whole_run):
    workdir, results = whole_run
    left = {p.name for p in workdir.iterdir()}
    assert left >= {"config.gin", "metrics.jsonl", "results.json", "checkpoints", "figures"}
    test = load_predictions(workdir / "predictions" / "test.npz")
    assert test.num_samples == results["num_predict_samples"]
    assert test.losses["nll"].mean() == pytest.approx(results["test"]["nll"], rel=1e-12)
    assert {p.name for p in (workdir / "figures").iterdir()} == {
        "learning_curve.png",
        "reliability.png",
    }
    for figure in (workdir / "figures").iterdir():
        assert figure.read_bytes().startswith(b"\x89PNG")
    assert json.loads((workdir / "results.json").read_text()) == results


def test_results_say_how_many_functions_there_were(whole_run, tmp_path):
    """Where the method has no more, as an ensemble its members."""
    few = run(tmp_path / "run", **arguments(method=StackedEnsemble(2), num_predict_samples=5))
    assert (few["num_predict_samples"], few["num_functions"]) == (5, 2)
    _, results = whole_run
    assert "num_functions" not in results


class Unmixed(VariationalInference):
    """Says of itself what chains say that disagree."""

    def describe(self):
        return super().describe() | {"chains": {"log joint": {"r_hat": 2.0}}}


def test_chains_that_have_not_mixed_are_a_warning_of_the_run(tmp_path, caplog):
    done = run(tmp_path / "run", **arguments(method=Unmixed(bnn.estimators.Reparameterization())))
    assert any("R-hat of the log joint is 2.00" in w for w in done["ledger"]["warnings"])
    assert "The chains have not mixed" in caplog.text


def test_what_the_metrics_hold(whole_run):
    workdir, _ = whole_run
    records = read_jsonl(workdir / "metrics.jsonl")
    assert [r["step"] for r in records] == [2, 5, 8, 10]
    assert [r["epoch"] for r in records] == [0.8, 2.0, 3.2, 4.0]
    seconds = [r["seconds"] for r in records]
    assert seconds == sorted(seconds)
    for record in records:
        assert list(record) == [
            *("step", "epoch", "seconds", "loss", "nll", "kl", "kl/0_dense/kernel"),
            *("kl_weight", "valid_nll", "valid_accuracy", "valid_ece"),
        ]
        assert record["kl_weight"] == 1.0
        assert record["kl"] == record["kl/0_dense/kernel"]
    # Nothing is tempered: the loss is NLL plus the whole KL over the training examples.
    mean_kl = (records[-1]["loss"] - records[-1]["nll"]) * 25
    assert mean_kl == pytest.approx(records[-1]["kl"], rel=0.05)


def test_what_the_results_hold(whole_run):
    _, results = whole_run
    assert set(results["test"]) == {
        *("nll", "accuracy", "error", "brier", "ece", "ece_equal_mass"),
        *("ece_classwise", "ece_adaptive", "aurc"),
        *("predictive_entropy", "aleatoric_entropy", "epistemic_entropy"),
    }
    expected = {
        "data": "toy",
        "num_predict_samples": 4,
        "method": "VariationalInference",
        "train_samples": 1,
        "kl_weight": 1.0,
        "posterior": "whole KL",
        "estimator": "Reparameterization",
        "num_train": 25,
        "num_test": 10,
        "num_parameters": 12,
        "steps": 10,
        "seed": 0,
    }
    assert {key: results[key] for key in expected} == expected
    assert results["kl"] == {
        "total": results["kl"]["0_dense/kernel"],
        "0_dense/kernel": pytest.approx(results["kl"]["total"]),
    }
    assert results["seconds"]["total"] >= results["seconds"]["train"] > 0
    assert results["versions"]["tensorflow"] == tf.__version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", results["git_revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", results["date"])


def test_a_finished_run_is_not_repeated(whole_run, monkeypatch, capsys):
    workdir, results = whole_run
    before = {p: p.stat().st_mtime_ns for p in workdir.rglob("*") if p.name != ".lock"}
    monkeypatch.delattr(train, "_train")
    again = run(workdir, **arguments(data=classes(num_valid=5), jit_compile=True))
    assert again == results
    assert {p: p.stat().st_mtime_ns for p in workdir.rglob("*") if p.name != ".lock"} == before
    assert "test nll" in capsys.readouterr().out


def test_compiled_predictions_are_those_of_the_cheap_runs(whole_run, tmp_path, cheap_runs):
    """What the other tests replace changes no number beyond rounding."""
    _, results = whole_run
    cheap = run(tmp_path / "run", **arguments(data=classes(num_valid=5)))
    for name, value in results["test"].items():
        assert cheap["test"][name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    assert not (tmp_path / "run" / "figures").exists()


def test_two_runs_of_one_configuration_agree_in_everything_but_time(
    tmp_path, cheap_runs, plain_run
):
    workdir, results = plain_run
    assert comparable(run(tmp_path / "again", **arguments())) == comparable(results)
    assert without_times(tmp_path / "again") == without_times(workdir)
    assert checkpoint_bits(tmp_path / "again") == checkpoint_bits(workdir)
    run(tmp_path / "other", **arguments(seed=1, epochs=1))
    assert without_times(tmp_path / "other")[0] != without_times(workdir)[0]


ESTIMATORS = ["Mean", "Reparameterization", "LocalReparameterization", "Flipout", "ScoreFunction"]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_trains(tmp_path, cheap_runs, name):
    estimator = getattr(bnn.estimators, name)()
    results = run(tmp_path, **arguments(method=VariationalInference(estimator), epochs=1))
    assert results["estimator"] == name
    assert np.isfinite(results["test"]["nll"])
    assert len(read_jsonl(tmp_path / "metrics.jsonl")) == 1


@pytest.mark.parametrize(
    ("weight", "final", "name"),
    [
        (0.1, 0.1, "tempered, KL x 0.1"),
        (LinearWarmup(0.5), 0.5, "tempered, KL x 0.5"),
        (LinearWarmup(1.0), 1.0, "whole KL"),
    ],
)
def test_a_tempered_posterior_is_named(tmp_path, cheap_runs, weight, final, name):
    method = VariationalInference(bnn.estimators.Reparameterization(), kl_weight=weight)
    results = run(tmp_path, **arguments(method=method, epochs=0.2))
    assert results["posterior"] == name
    assert results["kl_weight"] == pytest.approx(final)


def test_regression_reports_in_its_own_units(tmp_path, cheap_runs, capsys):
    likelihood = bnn.likelihoods.Normal(0.5, trainable=True)
    results = run(tmp_path, **arguments(data=values(), likelihood=likelihood, tracker=Console()))
    assert 5 < results["test"]["rmse"] < 200
    assert results["test"]["nll"] == -results["test"]["log_likelihood"]
    assert 0 <= results["test"]["coverage_50"] <= results["test"]["coverage_95"] <= 1
    record = read_jsonl(tmp_path / "metrics.jsonl")[-1]
    assert 5 < record["rmse"] < 200
    assert float(likelihood.scale[0]) != pytest.approx(0.5, abs=1e-4)  # learned
    assert results["num_parameters"] == 4
    assert results["standardized_targets"]
    assert "nats (standardised targets), KL" in (tmp_path / "ledger.md").read_text()
    said = capsys.readouterr().out
    assert "units: loss and nll in nats per example of standardised targets; " in said
    assert "units of the test " in said


def test_a_schedule_sets_the_learning_rate(tmp_path, cheap_runs):
    models = []

    def model(*args):
        models.append(linear(*args))
        return models[0]

    still = {"optimizer": keras.optimizers.SGD(1.0), "learning_rate": Constant(0.0), "epochs": 1}
    run(tmp_path, **arguments(**still, model=model))
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(models[0].variables[0], linear((3,), 2).variables[0])


def test_a_run_gives_back_its_trained_model(plain_run, cheap_runs):
    workdir, finished = plain_run
    for one in (finished, run(workdir, **arguments())):  # just trained, and loaded
        assert one["test"]["accuracy"] == one.results["test"]["accuracy"]
        assert json.loads(json.dumps(one.results)) == dict(one) == one
        assert one.model is one.problem.model
        assert one.step == 12
        samples = one.predict(one.data.x_test)
        assert samples.shape == (4, 10, 2)
        again = bnn.evaluation.evaluate(one.problem.likelihood, samples, one.data.y_test, one.data)
        assert again == pytest.approx(one["test"], rel=1e-5)


def test_another_number_of_samples_evaluates_again_without_training(
    tmp_path, cheap_runs, plain_run, monkeypatch
):
    workdir, _ = plain_run
    shutil.copytree(workdir, tmp_path / "run")
    monkeypatch.setattr(session.TrainingSteps, "__call__", None)
    more = run(tmp_path / "run", **arguments(num_predict_samples=6))
    assert more["num_predict_samples"] == 6
    assert load_predictions(tmp_path / "run" / "predictions" / "test.npz").num_samples == 6
    assert without_times(tmp_path / "run") == without_times(workdir)
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == more


def test_a_plain_keras_model_is_a_legal_model(tmp_path, cheap_runs):
    def model(shape, outputs):
        return keras.Sequential(
            [keras.Input(shape), keras.layers.Dropout(0.5), keras.layers.Dense(outputs)]
        )

    results = run(tmp_path, **arguments(model=model, method=MAP()))
    assert results["method"] == "MAP"
    assert results["kl"] == {"total": 0}
    assert results["ledger"] == {"sites": [], "warnings": []}
    assert bnn.restore is not None
