"""Every task goes through a run from its data to its results and predictions."""

import dataclasses
import json
import multiprocessing

import keras
import numpy as np
import pytest

import bnn
from bnn.data import Batch
from bnn.data.examples import ArrayExamples
from bnn.data.scaling import Scaling
from bnn.evaluation import evaluate
from bnn.experiment import run
from bnn.methods import MAP, Problem, VariationalInference
from bnn.runs.prediction_file import load_predictions
from bnn.runs.tasks import check_task
from bnn.tracking import read_jsonl
from tests.runs.task_cases import (
    HEADS,
    TEST,
    TRAIN,
    L,
    arguments,
    counted,
    dataset,
    numbers,
    of_values,
    own,
    sequences,
    several,
    survival,
)

REGRESSION = {"nll", "log_likelihood"} | {
    f"{name}/target_{d}"
    for d in (0, 1)
    for name in (
        *("rmse", "crps", "coverage_50", "coverage_95", "quantile_calibration_error"),
        *("sharpness", "aleatoric_std", "epistemic_std"),
    )
}
LABELS = {"nll", "log_likelihood", "exact_match"} | {
    f"{name}/target_{d}" for d in (0, 1) for name in ("accuracy", "error", "brier", "ece")
}
CLASSES = {
    *("nll", "accuracy", "error", "brier", "ece", "ece_equal_mass", "ece_classwise"),
    *("ece_adaptive", "aurc", "predictive_entropy", "aleatoric_entropy", "epistemic_entropy"),
}
ONE_TARGET = {name.partition("/")[0] for name in REGRESSION}


TASKS = {
    "StudentT": (of_values, L.StudentT, "regression", REGRESSION),
    "Laplace": (of_values, L.Laplace, "regression", REGRESSION),
    "Quantile": (of_values, L.Quantile, "regression", REGRESSION),
    "MultivariateNormal": (of_values, L.MultivariateNormal, "regression", REGRESSION),
    "MixtureDensity": (of_values, L.MixtureDensity, "regression", REGRESSION),
    "LogNormal": (own, L.LogNormal, "regression", REGRESSION),
    "Gamma": (own, L.Gamma, "regression", REGRESSION),
    "Beta": (lambda: own("shares"), L.Beta, "regression", REGRESSION),
    "Poisson": (counted, L.Poisson, "counts", REGRESSION),
    "NegativeBinomial": (counted, L.NegativeBinomial, "counts", REGRESSION),
    "ZeroInflatedPoisson": (counted, L.ZeroInflatedPoisson, "counts", REGRESSION),
    "Bernoulli": (lambda: counted("multi_label"), L.Bernoulli, "multilabel", LABELS),
    "Ordinal": (
        lambda: dataset(numbers("labels"), num_classes=3),
        L.Ordinal,
        "classification",
        CLASSES | {"ranked_probability_score"},
    ),
    "Weibull": (
        survival,
        L.Weibull,
        "survival",
        {
            *("nll", "log_likelihood", "crps", "concordance", "quantile_calibration_error"),
            "events",
        },
    ),
    "Positions": (
        sequences,
        lambda: L.Positions(L.Categorical()),
        "classification",
        CLASSES | {"joint_nll"},
    ),
    "Heads": (
        several,
        lambda: L.Heads({name: make() for name, make in HEADS.items()}),
        "heads",
        {"nll"}
        | {f"price/{name}" for name in ONE_TARGET}
        | {f"visits/{name}" for name in ONE_TARGET}
        | {f"kind/{name}" for name in CLASSES}
        | {f"tags/{name}" for name in LABELS},
    ),
}


@pytest.mark.parametrize("case", TASKS)
def test_a_task_end_to_end(case, tmp_path, cheap_runs):
    make, likelihood, task, names = TASKS[case]
    data = make()
    done = run(tmp_path / "run", **arguments(data, likelihood()))
    assert done["task"] == task
    assert set(done["test"]) == names
    assert all(np.isfinite(value) for value in done["test"].values())
    again = evaluate(done.problem.likelihood, done.predict(data.x_test), data.y_test, data)
    assert done["test"] == pytest.approx(again, rel=1e-4, abs=1e-6)
    kept = load_predictions(tmp_path / "run" / "predictions" / "test.npz")
    assert (kept.task, kept.num_samples, kept.num_examples) == (task, 3, TEST)
    of_run = done["test"].get("joint_nll", done["test"]["nll"])
    assert kept.losses["nll"].mean() == pytest.approx(of_run, rel=1e-6)


def test_weights_of_the_test_part_are_said_to_be_left_aside(caplog):
    weights = np.ones(TEST, np.float32)
    plain, weighted = of_values(), dataclasses.replace(of_values(), weights_test=weights)
    for data, said in ((plain, False), (weighted, True)):
        caplog.clear()
        check_task(data, L.Normal())
        assert (
            "have weights, which metrics leave aside: every example counts 1" in caplog.text
        ) is said


def test_names_of_targets_are_those_of_metrics_and_losses(tmp_path, cheap_runs):
    data = dataclasses.replace(of_values(), target_names=("load", "heat"))
    done = run(tmp_path / "run", **arguments(data, L.Laplace()))
    assert {"rmse/load", "crps/heat"} <= set(done["test"])
    kept = load_predictions(tmp_path / "run" / "predictions" / "test.npz")
    assert set(kept.losses) == {"nll"} | {
        f"{name}/{target}" for name in ("squared_error", "crps") for target in ("load", "heat")
    }


def test_counts_that_are_predicted_no_better_than_by_a_constant_are_named(tmp_path, cheap_runs):
    done = run(tmp_path / "run", **arguments(counted(columns=1), L.Poisson()))
    words = " ".join(done["ledger"]["warnings"])
    assert "The model predicts no better than a constant: RMSE" in words


def test_a_streamed_set_trains_and_reports_as_the_resident_one(tmp_path, cheap_runs):
    data = dataset(numbers("labels"), num_classes=3)
    source = ArrayExamples("toy", data.x_train, data.y_train)
    empty = {"x_train": data.x_train[:0], "y_train": data.y_train[:0]}
    streamed = dataclasses.replace(data, **empty, train_source=source)
    lines = {}
    for name, one in (("resident", data), ("streamed", streamed)):
        done = run(tmp_path / name, **arguments(one, L.Categorical(), epochs=2))
        assert done["num_train"] == TRAIN
        lines[name] = [
            {k: v for k, v in line.items() if k != "seconds"}
            for line in read_jsonl(tmp_path / name / "metrics.jsonl")
        ]
    assert lines["streamed"] == lines["resident"]
    assert {"accuracy", "ece"} <= set(lines["streamed"][0])


def test_the_scaling_is_stored_with_the_run(tmp_path, cheap_runs):
    data = of_values()
    folder = tmp_path / "run"
    done = run(folder, **arguments(data, L.Laplace()))
    stored = Scaling.from_json(json.loads((folder / "data.json").read_text())["scaling"])
    np.testing.assert_array_equal(
        stored.to_own_units(data.y_test), data.scaling.to_own_units(data.y_test)
    )
    np.testing.assert_array_equal(
        stored.prepare_inputs(data.x_test), data.scaling.prepare_inputs(data.x_test)
    )
    assert run(folder, **arguments(data, L.Laplace())) == done  # the same run still


def test_the_number_of_reading_workers_is_no_part_of_what_a_run_is(tmp_path, cheap_runs):
    data = dataset(numbers("labels"), num_classes=3)
    done = run(tmp_path / "run", **arguments(data, L.Categorical()))
    again = dataclasses.replace(data, num_workers=1)
    assert run(tmp_path / "run", **arguments(again, L.Categorical())) == done


def test_no_process_reads_on_when_a_run_has_ended_or_was_refused(tmp_path, cheap_runs):
    pytest.importorskip("grain")
    weights = np.ones(TRAIN, np.float32)  # which are streamed
    data = dataset(numbers("labels"), num_classes=3, weights_train=weights, num_workers=1)
    others = set(multiprocessing.active_children())
    with pytest.raises(ValueError, match="one logit per class"):
        run(tmp_path / "refused", **{**arguments(data, L.Categorical()), "model": _one_logit})
    assert set(multiprocessing.active_children()) <= others
    done = run(tmp_path / "run", **arguments(data, L.Categorical()))
    assert set(multiprocessing.active_children()) <= others
    assert done["num_train"] == TRAIN


def _one_logit(shape, outputs):
    return keras.Sequential([keras.Input(shape), bnn.layers.Dense(outputs - 2)])


@pytest.mark.parametrize("method", ["MAP", "VariationalInference"])
def test_weights_of_examples_reach_the_objective(method):
    """−(1/B) Σ w_b log p_b, by hand."""
    data = dataset(numbers("labels"), num_classes=3)
    weights = np.linspace(0, 2, TRAIN).astype(np.float32)
    if method == "MAP":
        made, layer = MAP(), keras.layers.Dense
    else:
        made, layer = VariationalInference(bnn.estimators.Mean()), bnn.layers.Dense
    model = keras.Sequential([keras.Input((3,)), layer(3)])
    likelihood = L.Categorical()
    optimizer = keras.optimizers.SGD(0.1)
    made.build(Problem(model, likelihood, TRAIN, 1, 0, optimizer, jit_compile=False))
    batch = Batch(data.x_train, data.y_train, weights)
    nll = made.loss(batch, bnn.Noise(0), training=False).metrics["nll"]
    with bnn.Draw(bnn.Noise(0), bnn.estimators.Mean()):
        log_prob = likelihood.log_prob(model(data.x_train), data.y_train).numpy()
    assert float(nll) == pytest.approx(-np.mean(weights * log_prob), rel=1e-5)
    assert float(nll) != pytest.approx(-np.mean(log_prob), rel=1e-3)


def test_a_weighted_set_trains_another_model(tmp_path, cheap_runs):
    data = dataset(numbers("labels"), num_classes=3)
    weights = np.where(data.y_train == 0, 5.0, 0.0).astype(np.float32)
    weighted = dataclasses.replace(data, weights_train=weights)
    shares = {}
    for name, one in (("plain", data), ("weighted", weighted)):
        done = run(tmp_path / name, **arguments(one, L.Categorical(), epochs=10, report_every=10.0))
        shares[name] = float(np.mean(np.argmax(done.predict(data.x_test), axis=-1) == 0))
    assert shares["weighted"] > shares["plain"]


def test_moments_are_of_posteriors_alone(tmp_path, cheap_runs):
    """Of an ensemble they would be those of its last member, which is sure of everything."""
    data, likelihood = of_values(), L.Normal(0.5)
    ours = run(tmp_path / "ours", **arguments(data, likelihood))
    assert ours.predictive(data.x_test, method="moments").epistemic.min() > 0
    method = bnn.methods.DeepEnsemble(num_members=2)
    ensemble = run(tmp_path / "members", **arguments(data, likelihood, method=method, epochs=2))
    with pytest.raises(ValueError, match=r"method must not be 'moments' for DeepEnsemble, whose f"):
        ensemble.predictive(data.x_test, method="moments")
