"""A run that is stopped or killed goes on, to the bits of one that was not."""

import functools
import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest

import bnn
from bnn.experiment import run
from bnn.methods import MAP, GradientNoiseProbe, VariationalInference
from bnn.runs import results as results_module
from bnn.runs import session
from bnn.tracking import read_jsonl
from bnn.training import Archive, Averages, InterruptedRunError
from tests.runs.toy_runs import (
    Recorder,
    arguments,
    checkpoint_bits,
    comparable,
    stopped_and_continued,
    without_times,
)


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
