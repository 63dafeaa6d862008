"""`python -m bnn.run` trains, stops, continues and explodes as it says."""

import json
import os
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from bnn.runs import session, train
from bnn.tracking import read_jsonl
from tests.runs.command_line import CONFIGS, bindings
from tests.runs.toy_runs import without_times


def test_one_command_trains_evaluates_and_shows_the_results(command, cheap_runs, tmp_path):
    code, out, err = command(tmp_path / "run", *bindings())
    assert (code, err) == (0, "")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["data"] == "digits"
    assert results["steps"] == 6
    assert results["estimator"] == "LocalReparameterization"
    for shown in ("test accuracy", "test nll", "test ece", "whole KL", str(tmp_path / "run")):
        assert shown in out
    assert "step 3/6" in out
    assert "step 6/6" in out


def test_running_from_the_saved_configuration_reproduces_the_numbers(command, cheap_runs, tmp_path):
    """Also what the bindings and a second file said, and without the data's or model's files."""
    flipout = f"--gin_file={CONFIGS / 'estimator' / 'flipout.gin'}"
    tempered = bindings(VariationalInference__kl_weight="0.1", run__seed="3")
    assert command(tmp_path / "first", flipout, *tempered)[0] == 0
    saved = tmp_path / "first" / "config.gin"
    assert command(tmp_path / "second", file=saved)[0] == 0
    assert without_times(tmp_path / "second") == without_times(tmp_path / "first")
    first, second = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("first", "second")
    )
    assert first["test"] == second["test"]
    assert first["kl"] == second["kl"]
    assert first["estimator"] == "Flipout"
    assert first["posterior"] == second["posterior"] == "tempered, KL x 0.1"
    assert first["seed"] == 3
    assert (tmp_path / "second" / "config.gin").read_text() == saved.read_text()
    # The run's own folder holds this very run.
    code, out, _ = command(tmp_path / "first", file=saved)
    assert code == 0
    assert "test accuracy" in out


class StopAfterThree(session.TrainingSteps):
    """Training steps that send a signal to the process after step 1 and before its report."""

    number = signal.SIGTERM

    def __call__(self, first_step, num_steps):
        history = super().__call__(first_step, num_steps)
        if first_step == 0:
            os.kill(os.getpid(), self.number)
        return history


def test_a_signal_ends_the_command_with_its_code_and_the_same_command_continues(
    command, cheap_runs, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(session, "TrainingSteps", StopAfterThree)
        code, out, err = command(tmp_path / "run", *bindings())
    assert code == 42
    assert err == (
        "stopped by SIGTERM after step 1; the state is saved, and the same command continues the "
        "run.\n"
    )
    code, out, err = command(tmp_path / "run", *bindings())
    assert (code, err) == (0, "")
    assert "resumed from step 1" in out
    assert [r["step"] for r in read_jsonl(tmp_path / "run" / "metrics.jsonl")] == [3, 6]
    with monkeypatch.context() as patch:
        patch.setattr(session, "TrainingSteps", StopAfterThree)
        patch.setattr(StopAfterThree, "number", signal.SIGINT)
        code, _, err = command(tmp_path / "other", *bindings())
    assert code == 130
    assert err.startswith("stopped by SIGINT after step 1;")


def test_ctrl_c_outside_of_training_ends_the_command_without_a_traceback(
    command, tmp_path, monkeypatch
):
    def interrupted(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    monkeypatch.setattr("bnn.experiment.prepare", interrupted)
    # Processes that a shell starts in the background ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, _, err = command(tmp_path / "run", *bindings())
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert err == "interrupted; the same command continues from the last checkpoint.\n"


def test_an_exploding_run_ends_with_an_error_that_names_step_and_site(
    command, cheap_runs, tmp_path
):
    explode = bindings(MeanFieldNormal__initial_scale="1e25")
    code, out, err = command(tmp_path / "run", *explode)
    assert code == 1
    assert "error: the loss became non-finite at step 0: the KL of site 0_dense/kernel" in err
    assert "0x7f" not in err  # no addresses of Python functions
    assert "run not finished" in out
    assert not (tmp_path / "run" / "results.json").exists()
    state = tf.train.load_checkpoint(
        tf.train.latest_checkpoint(str(tmp_path / "run" / "checkpoints"))
    )
    parts = ("model/", "likelihood/", "optimizer/")
    names = [n for n in state.get_variable_to_shape_map() if n.startswith(parts)]
    assert names
    assert all(np.isfinite(state.get_tensor(name)).all() for name in names)


def test_includes_are_found_beside_the_file_one_above_and_among_the_shipped(
    command, cheap_runs, tmp_path
):
    (tmp_path / "configs" / "mine").mkdir(parents=True)
    (tmp_path / "configs" / "shared.gin").write_text("include 'digits.gin'\n")
    (tmp_path / "configs" / "mine" / "beside.gin").write_text("run.seed = 7\n")
    file = tmp_path / "configs" / "mine" / "run.gin"
    file.write_text("include 'shared.gin'\ninclude 'beside.gin'\n")
    assert command(tmp_path / "run", *bindings(run__epochs="0.1"), file=file)[0] == 0
    assert json.loads((tmp_path / "run" / "results.json").read_text())["seed"] == 7


def test_folders_of_the_current_one_are_not_taken_for_those_of_the_includes(
    command, cheap_runs, tmp_path, monkeypatch
):
    """Python, and so gin, takes any folder in the current one for a package: `data`, `model`."""
    for name in ("data", "model", "estimator"):
        (tmp_path / name).mkdir()
    (tmp_path / "base.gin").write_text("run.seed = 9\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, _, err = command(tmp_path / "run", *bindings(run__epochs="0.1"))
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["seed"] == 0


def test_long_and_plain_bindings_reach_trackers_as_values(clean_gin, command, tmp_path):
    rules = "{'dense/kernel': @Flipout(), 'another_layer_of_the_model/kernel': @Mean()}"
    by_site = {"BySite__rules": rules, "BySite__default": "@Reparameterization()"}
    seen = {}

    class StopError(Exception):
        pass

    def look(session, identity, resumed):
        seen.update(train.flat_config(identity))
        raise StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_run_info", look)
        with pytest.raises(StopError):
            command(
                tmp_path / "run", *bindings(VariationalInference__estimator="@BySite()", **by_site)
            )
    assert seen["run.batch_size"] == "240"
    assert seen["run.model"] == "@mlp"
    assert seen["BySite.rules"] == (
        "{'another_layer_of_the_model/kernel': @Mean(), 'dense/kernel': @Flipout()}"
    )
