import functools
import importlib
import json
import os
import re
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import bnn
from bnn.compat import add_float32_weight
from bnn.data import Dataset
from bnn.data.assemble import regression_dataset
from bnn.experiment import run
from bnn.methods import MAP, GradientNoiseProbe, VariationalInference
from bnn.runs import results as results_module
from bnn.runs import session, train
from bnn.runs.folder import FolderInUseError
from bnn.runs.prediction_file import load_predictions
from bnn.schedules import Constant, LinearWarmup
from bnn.tracking import Tracker, WandB, read_jsonl
from bnn.training import Archive, Averages, InterruptedRunError, NonFiniteLossError
from bnn.training.pace import Pace

training_loop = importlib.import_module("bnn.training.fit")  # the package's `fit` is the function


def classes(num_valid=0):
    """30 examples of 3 features in 2 classes, 10 more for the test."""
    random = np.random.RandomState(0)
    x = random.normal(size=(40, 3)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5] > 0).astype(np.int32)
    end = 30 - num_valid
    return Dataset(
        name="toy",
        x_train=x[:end],
        y_train=y[:end],
        x_valid=x[end:30],
        y_valid=y[end:30],
        x_test=x[30:],
        y_test=y[30:],
        num_classes=2,
    )


def values():
    """A regression in units of hundreds."""
    random = np.random.RandomState(0)
    x = random.normal(size=(40, 2))
    y = 300 + 50 * (x @ [[1.0], [0.3]]) + random.normal(size=(40, 1))
    return regression_dataset("toy values", (x[:30], y[:30]), (x[30:], y[30:]))


def linear(input_shape, num_outputs):
    """One random kernel: the least that is a Bayesian network."""
    dense = bnn.layers.Dense(num_outputs, use_bias=False)
    return keras.Sequential([keras.Input(input_shape), dense])


def arguments(**changes):
    """A run of 12 steps with reports after 3, 6, 9 and 12."""
    return {
        "data": classes(),
        "model": linear,
        "likelihood": bnn.likelihoods.Categorical(),
        "method": VariationalInference(bnn.estimators.Reparameterization()),
        "optimizer": keras.optimizers.Adam(0.05),
        "epochs": 4,
        "batch_size": 10,
        "num_predict_samples": 4,
        "steps_per_call": 2,
        "jit_compile": False,
        **changes,
    }


def without_times(workdir):
    """The lines of `metrics.jsonl` apart from the seconds."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [re.sub(r'"seconds": [0-9.e+-]+, ', "", line) for line in lines]


def comparable(results):
    return {k: v for k, v in results.items() if k not in ("seconds", "date")}


def checkpoint_bits(workdir):
    """All tensors of the newest checkpoint."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(workdir / "checkpoints")))
    names = [n for n in reader.get_variable_to_shape_map() if n.endswith("VARIABLE_VALUE")]
    return {name: np.asarray(reader.get_tensor(name)).tolist() for name in names}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Folder and results of a run as users start it: compiled predictions, figures, XLA."""
    keras.utils.set_random_seed(0)
    workdir = tmp_path_factory.mktemp("whole") / "run"
    return workdir, run(workdir, **arguments(data=classes(num_valid=5), jit_compile=True))


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory, cheap):
    """Folder and results of a cheap run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("plain") / "run"
    with cheap():
        return workdir, run(workdir, **arguments())


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


class FullPace(Pace):
    """Calls of the full length from the first on: where a call ends depends on no clock."""

    def __init__(self, most):
        super().__init__(most)
        self.count = most

    def took(self, count, seconds):
        pass


class StopAt(session.TrainingSteps):
    """Training steps that send a signal to the process after the call that ends at `end`."""

    end: int
    number = signal.SIGTERM

    def __call__(self, first_step, num_steps):
        history = super().__call__(first_step, num_steps)
        if first_step + num_steps == self.end:
            os.kill(os.getpid(), self.number)
        return history


def stopped_and_continued(workdir, monkeypatch, changes=dict):
    """The results of a run that was stopped within a report's steps, and after a report."""
    for end, shown in ((2, 0), (6, 2)):
        with monkeypatch.context() as patch:
            patch.setattr(StopAt, "end", end, raising=False)
            patch.setattr(session, "TrainingSteps", StopAt)
            patch.setattr(training_loop, "Pace", FullPace)
            with pytest.raises(InterruptedRunError, match=f"SIGTERM after step {end};") as caught:
                run(workdir, **arguments(**changes()))
        assert caught.value.exit_code == 42
        assert len(without_times(workdir)) == shown
        assert not (workdir / "results.json").exists()
    return run(workdir, **arguments(**changes()))


def test_a_stopped_and_continued_run_has_the_bits_of_one_that_was_not(
    tmp_path, cheap_runs, plain_run, monkeypatch
):
    workdir, expected = plain_run
    assert comparable(stopped_and_continued(tmp_path, monkeypatch)) == comparable(expected)
    assert without_times(tmp_path) == without_times(workdir)
    assert checkpoint_bits(tmp_path) == checkpoint_bits(workdir)
    seconds = [r["seconds"] for r in read_jsonl(tmp_path / "metrics.jsonl")]
    assert seconds == sorted(seconds)


def test_the_state_of_a_baseline_survives_a_stop(tmp_path, cheap_runs, monkeypatch):
    def changes():
        estimator = bnn.estimators.ScoreFunction(bnn.estimators.RunningMean())
        return {"method": VariationalInference(estimator)}

    run(tmp_path / "whole", **arguments(**changes()))
    stopped_and_continued(tmp_path / "stopped", monkeypatch, changes)
    assert without_times(tmp_path / "stopped") == without_times(tmp_path / "whole")
    assert checkpoint_bits(tmp_path / "stopped") == checkpoint_bits(tmp_path / "whole")


def test_a_probe_changes_nothing_and_keeps_its_turns_over_a_stop(
    tmp_path, cheap_runs, plain_run, monkeypatch
):
    def changes():
        return {"probe": GradientNoiseProbe([bnn.estimators.Flipout()], every=2, num_draws=2)}

    stopped_and_continued(tmp_path, monkeypatch, changes)
    records = read_jsonl(tmp_path / "metrics.jsonl")
    variance = "probe/Flipout/0_dense/kernel/variance"
    assert [r["step"] for r in records if variance in r] == [6, 12]
    assert all(np.isfinite(r[variance]) for r in records if variance in r)
    for record, plain in zip(records, read_jsonl(plain_run[0] / "metrics.jsonl"), strict=True):
        own = {k: v for k, v in record.items() if not k.startswith("probe/")}
        assert {**own, "seconds": 0} == {**plain, "seconds": 0}


class KilledError(BaseException):
    """What a killed process leaves behind, without ending the tests."""


def test_a_run_killed_before_its_first_checkpoint_starts_anew(
    tmp_path, cheap_runs, plain_run, monkeypatch
):
    workdir, expected = plain_run

    def killed(self, history):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Averages, "add", killed)
        with pytest.raises(KilledError):
            run(tmp_path, **arguments())
    (tmp_path / "metrics.jsonl").write_text('{"step": 3, "seconds": 1.0}\n{"st')
    assert comparable(run(tmp_path, **arguments())) == comparable(expected)
    assert without_times(tmp_path) == without_times(workdir)


def test_a_run_killed_after_training_is_evaluated_without_training(
    tmp_path, cheap_runs, plain_run, monkeypatch
):
    workdir, expected = plain_run
    with monkeypatch.context() as patch:
        patch.delattr(results_module, "git_revision")
        with pytest.raises(NameError):
            run(tmp_path, **arguments())
    monkeypatch.setattr(session.TrainingSteps, "__call__", None)
    assert comparable(run(tmp_path, **arguments())) == comparable(expected)
    assert without_times(tmp_path) == without_times(workdir)


class Explodes(bnn.schedules.Schedule):
    """A learning rate that jumps at step 5 of 12, in the middle of a call."""

    def __init__(self, value):
        self.value = value

    def __call__(self, progress):
        return tf.where(progress > 4.5 / 12, self.value, 0.01)


class Overflows(keras.optimizers.SGD):
    """Takes a rate above 1 for infinity, which a schedule is refused for."""

    def update_step(self, gradient, variable, learning_rate):
        rate = tf.where(learning_rate > 1, np.inf, learning_rate)
        super().update_step(gradient, variable, rate)


def test_an_exploding_run_names_the_step_and_leaves_a_finite_state(tmp_path, cheap_runs):
    def start():
        run(tmp_path, **arguments(optimizer=Overflows(), learning_rate=Explodes(10.0)))

    with pytest.raises(NonFiniteLossError, match=r"0_dense/kernel \(kernel_loc\)") as caught:
        start()
    assert caught.value.step == 5
    assert "non-finite at step 5" in str(caught.value)
    assert not (tmp_path / "results.json").exists()
    bits = checkpoint_bits(tmp_path)
    assert 5 in bits.values()
    numbers = [v for name, v in bits.items() if not name.startswith("about/")]
    assert all(np.isfinite(np.asarray(v, np.float64)).all() for v in numbers)
    assert [r["step"] for r in read_jsonl(tmp_path / "metrics.jsonl")] == [3]
    with pytest.raises(NonFiniteLossError, match="non-finite at step 5"):  # from the checkpoint
        start()


def test_predictions_that_overflow_before_the_loss_does_hide_nothing(tmp_path, cheap_runs):
    """Step 5 makes the weights huge, but finite; the report after it comes before the next loss."""
    options = {"optimizer": keras.optimizers.SGD(), "learning_rate": Explodes(3e38)}
    with pytest.raises(NonFiniteLossError, match="non-finite at step 6") as caught:
        run(tmp_path, **arguments(**options))
    assert caught.value.step == 6
    records = read_jsonl(tmp_path / "metrics.jsonl")
    assert [r["step"] for r in records] == [3, 6]
    assert np.isfinite(records[1]["loss"])
    assert np.isnan(records[1]["accuracy"])


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


def test_regression_reports_in_its_own_units(tmp_path, cheap_runs):
    likelihood = bnn.likelihoods.Normal(0.5, trainable=True)
    results = run(tmp_path, **arguments(data=values(), likelihood=likelihood))
    assert 5 < results["test"]["rmse"] < 200
    assert results["test"]["nll"] == -results["test"]["log_likelihood"]
    assert 0 <= results["test"]["coverage_50"] <= results["test"]["coverage_95"] <= 1
    record = read_jsonl(tmp_path / "metrics.jsonl")[-1]
    assert 5 < record["rmse"] < 200
    assert float(likelihood.scale[0]) != pytest.approx(0.5, abs=1e-4)  # learned
    assert results["num_parameters"] == 4


def test_a_schedule_sets_the_learning_rate(tmp_path, cheap_runs):
    models = []

    def model(*args):
        models.append(linear(*args))
        return models[0]

    still = {"optimizer": keras.optimizers.SGD(1.0), "learning_rate": Constant(0.0), "epochs": 1}
    run(tmp_path, **arguments(**still, model=model))
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(models[0].variables[0], linear((3,), 2).variables[0])


class Recorder(Tracker):
    """Notes what it is told."""

    def __init__(self):
        self.calls = []

    def start(self, run):
        self.calls.append(("start", run.resumed_step))

    def log(self, step, values):
        self.calls.append(("log", step))

    def figure(self, name, path, step):
        self.calls.append(("figure", name))

    def finish(self, results, failed=False):
        self.calls.append(("finish", "test nll" in results, failed))


def test_trackers_hear_of_everything_and_of_failure(tmp_path, cheap_runs, monkeypatch):
    recorder = Recorder()
    figures = {"learning_curve": tmp_path / "figure.png"}
    monkeypatch.setattr(results_module, "draw_figures", lambda *args: figures)
    with monkeypatch.context() as patch:
        patch.setattr(StopAt, "end", 2, raising=False)
        patch.setattr(session, "TrainingSteps", StopAt)
        patch.setattr(training_loop, "Pace", FullPace)
        with pytest.raises(InterruptedRunError):
            run(tmp_path / "run", **arguments(tracker=recorder, epochs=2))
    assert recorder.calls == [("start", None), ("finish", False, True)]
    recorder.calls.clear()
    run(tmp_path / "run", **arguments(tracker=recorder, epochs=2))
    assert recorder.calls == [
        *(("start", 2), ("log", 3), ("log", 6)),
        *(("figure", "learning_curve"), ("finish", True, False)),
    ]


def test_any_number_of_trackers_and_their_artifact(tmp_path, cheap_runs):
    class Keeper(Recorder):
        def artifact(self, name, files):
            self.calls.append((name, sorted(files), all(p.exists() for p in files.values())))

    recorder, keeper = Recorder(), Keeper()
    run(tmp_path / "run", **arguments(tracker=[recorder, keeper], epochs=2))
    assert recorder.calls[0] == keeper.calls[0] == ("start", None)
    name, files, exist = keeper.calls[-2]
    assert (name, exist) == ("checkpoint", True)
    assert sorted(file.replace("ckpt-", "") for file in files) == sorted(
        [
            "checkpoints/checkpoint",
            *("checkpoints/6.data-00000-of-00001", "checkpoints/6.index"),
            *("config.gin", "arguments.json", "data.json", "results.json"),
        ]
    )
    assert recorder.calls[-1] == keeper.calls[-1] == ("finish", True, False)


class Skewed(bnn.posteriors.Posterior):
    """Independent exponential elements about a mean: not symmetric, not normal."""

    factorized = True

    def _build(self, layer, name, initializer, regularizer, constraint):
        self._loc = add_float32_weight(
            layer, f"{name}_loc", shape=self.shape, initializer=initializer
        )

    @property
    def mean(self):
        return tf.convert_to_tensor(self._loc) + 1.0

    def distribution(self):
        base = tfd.Exponential(tf.ones(self.shape))
        return tfb.Shift(tf.convert_to_tensor(self._loc))(base)

    @property
    def variance(self):
        return tf.ones(self.shape)

    def perturbation(self, noise):
        return -tf.math.log(noise.uniform(self.shape)) - 1.0

    def get_config(self):
        return {}


def skewed(input_shape, num_outputs):
    dense = bnn.layers.Dense(num_outputs, use_bias=False, kernel_posterior=Skewed())
    return keras.Sequential([keras.Input(input_shape), dense])


UNFIT = {
    "not_data": ({"data": classes}, r"data must be a Dataset object, got <function"),
    "not_a_likelihood": ({"likelihood": None}, "likelihood must be a Likelihood object, got None"),
    "not_an_optimizer": ({"optimizer": "adam"}, "optimizer must be a.* object, got 'adam'"),
    "not_a_method": ({"method": "VI"}, "method must be a Method object, got 'VI'"),
    "not_a_schedule": (
        {"learning_rate": 1e-3},
        "learning_rate must be a Schedule object, got 0.001; in gin write for example "
        r"run.learning_rate = @learning_rate/Constant\(\)",
    ),
    "not_a_probe": ({"probe": True}, "probe must be a GradientNoiseProbe object, got True"),
    "not_a_tracker": ({"tracker": "wandb"}, "tracker must be a Tracker object, got 'wandb'"),
    "not_all_trackers": ({"tracker": [WandB]}, "tracker must be a Tracker object, got <class"),
    "a_tracker_twice": ({"tracker": [WandB(), WandB()]}, "tracker must hold at most one WandB"),
    "flipout": (
        {"method": VariationalInference(bnn.estimators.Flipout()), "model": skewed},
        "estimator Flipout cannot serve the posterior Skewed: it needs a posterior whose elements "
        "are independent and symmetric about the mean, or .*Estimators that can: .*Mean.*"
        "Reparameterization.*ScoreFunction",
    ),
    "local": (
        {
            "method": VariationalInference(bnn.estimators.LocalReparameterization()),
            "model": skewed,
        },
        "estimator LocalReparameterization cannot serve the posterior Skewed: it needs a posterior "
        "whose elements are independent and normal, or .*Estimators that can: .*Reparameterization",
    ),
    "regression_data": (
        {"data": values()},
        "likelihood Categorical is for classification, but data set 'toy values' is for "
        "regression; use bnn.likelihoods.Normal or HeteroscedasticNormal",
    ),
    "class_data": (
        {"likelihood": bnn.likelihoods.Normal()},
        "likelihood Normal is for regression, but data set 'toy' is for classification; use "
        "bnn.likelihoods.Categorical",
    ),
    "no_samples": (
        {"num_predict_samples": 0},
        "num_predict_samples must be an integer of at least 1, got 0; .* 32 is a good start",
    ),
    "half_a_sample": ({"num_predict_samples": 2.5}, "num_predict_samples must be an integer"),
    "batch_too_large": (
        {"batch_size": 31},
        "batch_size must be from 1 to the number of training examples, 30, got 31",
    ),
    "no_epochs": ({"epochs": 0}, "epochs must be a positive number, got 0"),
    "no_bayesian_layer": (
        {"model": lambda shape, n: keras.Sequential([keras.Input(shape), keras.layers.Dense(n)])},
        "has no Bayesian layer; use bnn.layers.Dense",
    ),
    "no_optimizer_where_one_is_needed": (
        {"optimizer": None},
        "method VariationalInference needs an optimizer, got None; in gin write",
    ),
    "a_batch_of_floats": ({"batch_size": 10.0}, "batch_size must be an integer, got 10.0"),
    "endless": ({"epochs": 1e12}, "epochs must be at most 1.43166e[+]09 for batches of 10 from 30"),
    "too_many_reports": (
        {"report_every": 1e-9},
        "report_every must be at least 4e-06 for 4 epochs, which are 1000000 reports, got 1e-09",
    ),
    "too_many_samples": (
        {
            "method": VariationalInference(
                bnn.estimators.Flipout(), bnn.objectives.NegativeELBO(num_samples=10**7)
            )
        },
        "num_samples must be at most 1000, got 10000000",
    ),
    "no_seed": ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
    "compiled_or_not": ({"jit_compile": "maybe"}, "jit_compile must be True or False, got 'maybe'"),
    "no_model": ({"model": 3}, "model must be a function of input shape and number of outputs"),
    "a_truth_for_a_count": (
        {"num_predict_samples": True},
        "num_predict_samples must be an integer of at least 1, got True",
    ),
    "probe_of_another_method": (
        {"probe": GradientNoiseProbe(), "method": MAP()},
        "probe compares the estimators of VariationalInference, got method MAP",
    ),
}


@pytest.mark.parametrize(("changes", "message"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_together_is_refused_before_anything_is_written(
    tmp_path, changes, message
):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", **arguments(**changes))
    assert not (tmp_path / "run").exists()


def test_data_without_a_test_part_are_refused(tmp_path):
    data = classes()
    data = Dataset(
        **{name: getattr(data, name) for name in ("name", "x_train", "y_train", "num_classes")},
        x_valid=data.x_test,
        y_valid=data.y_test,
        x_test=data.x_test[:0],
        y_test=data.y_test[:0],
    )
    with pytest.raises(ValueError, match="data set 'toy' has no test part to evaluate on"):
        run(tmp_path / "run", **arguments(data=data))


def test_a_skewed_posterior_trains_with_an_estimator_that_can(tmp_path, cheap_runs):
    results = run(tmp_path, **arguments(model=skewed, epochs=1))
    assert np.isfinite(results["kl"]["total"])


def test_a_refused_folder_is_released(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    for _ in range(2):  # the second time not because of a lock of the first
        with pytest.raises(FolderInUseError, match=r"\(it has notes.txt\)"):
            run(tmp_path / "run", **arguments())


def test_no_samples_in_training():
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        bnn.objectives.NegativeELBO(num_samples=0)


# --- What a run is ---------------------------------------------------------------------------


def narrow(input_shape, num_outputs, hidden=2):
    layers = [bnn.layers.Dense(hidden, "relu"), bnn.layers.Dense(num_outputs)]
    return keras.Sequential([keras.Input(input_shape), *layers])


OTHERS = {
    "epochs": ({"epochs": 3}, "-epochs: 4\n+epochs: 3"),
    "model": ({"model": narrow}, ".linear"),
    "partial": ({"model": functools.partial(narrow, hidden=3)}, '"hidden": 3'),
    "estimator": (
        {"method": VariationalInference(bnn.estimators.Flipout())},
        "bnn.estimators.flipout.Flipout",
    ),
    "objective": (
        {
            "method": VariationalInference(
                bnn.estimators.Reparameterization(), bnn.objectives.NegativeELBO(num_samples=2)
            )
        },
        '"num_samples": 2',
    ),
    "optimizer": ({"optimizer": keras.optimizers.Adam(0.01)}, '"learning_rate": 0.00999'),
    "schedule": ({"learning_rate": Constant(0.3)}, "0.3"),
    "seed": ({"seed": 1}, "+seed: 1"),
    "data": ({"data": classes(num_valid=5)}, "x_train, y_train, x_valid, y_valid of data set"),
}


@pytest.mark.parametrize(("changes", "shown"), OTHERS.values(), ids=OTHERS)
def test_another_run_from_python_is_refused_with_the_difference(plain_run, changes, shown):
    workdir, _ = plain_run
    with pytest.raises(FolderInUseError) as caught:
        run(workdir, **arguments(**changes))
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{}, {"steps_per_call": 3}, {"keep_checkpoints": 1}, {"save_seconds": 1.0}]
)
def test_the_same_run_from_python_is_not_repeated(plain_run, changes):
    workdir, results = plain_run
    assert run(workdir, **arguments(**changes)) == results


def test_the_same_objects_may_be_passed_again(tmp_path, cheap_runs):
    """They hold variables, caches and what they were built for by then."""
    held = arguments(
        data=values(), likelihood=bnn.likelihoods.Normal(0.5, trainable=True), epochs=1
    )
    first = run(tmp_path, **held)
    assert run(tmp_path, **held) == first


def test_a_function_that_cannot_be_told_from_another_is_refused(tmp_path):
    handle = object()

    def model(shape, outputs):
        assert handle
        return linear(shape, outputs)

    with pytest.raises(ValueError, match=r"model's variable 'handle' cannot be told .*partial"):
        run(tmp_path / "run", **arguments(model=model))
    assert not (tmp_path / "run").exists()


def test_inner_functions_are_told_apart_by_source_and_surroundings(tmp_path, cheap_runs):
    def maker(hidden):
        return lambda shape, outputs: narrow(shape, outputs, hidden)

    first = run(tmp_path, **arguments(model=maker(2), epochs=1))
    assert run(tmp_path, **arguments(model=maker(2), epochs=1)) == first
    with pytest.raises(FolderInUseError, match='"hidden": 3'):
        run(tmp_path, **arguments(model=maker(3), epochs=1))


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


@pytest.fixture
def signals_not_ignored():
    """As where nohup or a background shell has not had them ignored, which runs respect."""
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_not_ignored")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_results_are_computed_asks_to_be_started_again(
    tmp_path, cheap_runs, plain_run, monkeypatch, number
):
    _, expected = plain_run

    def stop(*args):
        os.kill(os.getpid(), number)
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(results_module, "draw_figures", stop)
        with pytest.raises(InterruptedRunError, match=f"{number.name} after step 12") as caught:
            run(tmp_path, **arguments())
    assert caught.value.exit_code == 42
    assert not (tmp_path / "results.json").exists()
    monkeypatch.setattr(session.TrainingSteps, "__call__", None)
    assert comparable(run(tmp_path, **arguments())) == comparable(expected)


def test_a_folder_deleted_while_training_still_gets_the_results(tmp_path, cheap_runs, plain_run):
    _, expected = plain_run
    folder = tmp_path / "run"

    class Deletes(Recorder):
        def log(self, step, values):
            if step == 6:
                shutil.rmtree(folder)

    got = run(folder, **arguments(tracker=Deletes()))
    assert comparable(got)["test"] == comparable(expected)["test"]
    assert json.loads((folder / "results.json").read_text()) == got
    again = run(folder, **arguments())  # the same command: it has ended
    assert again == got


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


class Archiving(MAP):
    """Notes its weights after every fifth step."""

    def build(self, problem):
        super().build(problem)
        self.archive = Archive(problem.trained, every=5)


def test_an_archive_is_written_once_and_restored_exactly(tmp_path, cheap_runs, monkeypatch):
    point = functools.partial(with_points)

    def changes():
        return {"model": point, "method": Archiving()}

    whole = run(tmp_path / "whole", **arguments(**changes()))
    entries = whole.method.archive.stacked()
    assert [e.shape for e in entries] == [(2, 3, 2)]
    stopped = stopped_and_continued(tmp_path / "stopped", monkeypatch, changes)
    for one, other in zip(entries, stopped.method.archive.stacked(), strict=True):
        np.testing.assert_array_equal(one, other)
    files = sorted((tmp_path / "stopped" / "checkpoints" / "archive").iterdir())
    assert [f.name for f in files] == ["000000.npz", "000001.npz"]
    loaded = run(tmp_path / "stopped", **arguments(**changes()))
    for one, other in zip(entries, loaded.method.archive.stacked(), strict=True):
        np.testing.assert_array_equal(one, other)


def with_points(input_shape, num_outputs):
    dense = bnn.layers.Dense(num_outputs, use_bias=False, kernel_posterior=bnn.posteriors.Point())
    return keras.Sequential([keras.Input(input_shape), dense])
