"""What is wrong with flags, bindings and files is said in one message."""

import re

import gin
import pytest

from bnn.posteriors import Point
from tests.runs.command_line import CONFIGS, bindings


@gin.register(module="tests.runs.test_run_command_refusals")
class Lopsided(Point):
    """Says that it is neither symmetric nor normal, and samples."""

    deterministic = False
    symmetric = False


WRONG = {
    "unknown_parameter": (
        ["--gin_bindings=run.epochz = 2"],
        ["Configurable 'run' doesn't have a parameter named 'epochz'"],
    ),
    "unknown_configurable": (
        ["--gin_bindings=trainer.epochs = 2"],
        ["No configurable matching 'trainer'"],
    ),
    "unknown_reference": (
        ["--gin_bindings=VariationalInference.estimator = @Magic()"],
        ["No configurable matching reference '@Magic()'"],
    ),
    "unfinished_binding": (["--gin_bindings=run.epochs ="], ["Unable to parse value"]),
    "unknown_import": (["--gin_bindings=import no_such_module"], ["no_such_module"]),
    "missing_parentheses": (
        ["--gin_bindings=VariationalInference.estimator = @Flipout"],
        ["estimator must be an Estimator object", "@Flipout(), with the parentheses"],
    ),
    "unfit_estimator": (
        [
            *("--gin_bindings=mlp.kernel_posterior = @Lopsided()",),
            *("--gin_bindings=VariationalInference.estimator = @Flipout()",),
        ],
        [
            "estimator Flipout cannot serve the posterior Lopsided",
            "independent and symmetric about the mean",
            "Estimators that can:",
            "Reparameterization",
        ],
    ),
    "wrong_task": (
        ["--gin_bindings=run.data = @diabetes()"],
        ["likelihood Categorical is for classification, but data set 'diabetes' is for regression"],
    ),
    "no_predict_samples": (
        ["--gin_bindings=run.num_predict_samples = 0"],
        ["num_predict_samples must be an integer of at least 1, got 0"],
    ),
    "no_train_samples": (
        ["--gin_bindings=NegativeELBO.num_samples = 0"],
        [
            "NegativeELBO.num_samples must be an integer of at least 1, got 0; ",
            "in gin write for example NegativeELBO.num_samples = 1.",
        ],
    ),
    "batch_too_large": (
        ["--gin_bindings=run.batch_size = 1438"],
        ["batch_size must be from 1 to the number of training examples, 1437, got 1438"],
    ),
    "no_data_folder": (
        [f"--gin_file={CONFIGS / 'data' / 'mnist.gin'}"],
        ["data_dir must name the folder that holds the set mnist", "--data_dir", "BNN_DATA_DIR"],
    ),
    "argument_without_dashes": (["run.epochs=2"], ["unexpected argument 'run.epochs=2'"]),
}


@pytest.mark.parametrize(("options", "messages"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_message_before_anything_is_written(
    command, tmp_path, options, messages
):
    code, _, err = command(tmp_path / "run", *options)
    assert code == (2 if options == ["run.epochs=2"] else 1)
    assert err.startswith("error: ")
    for message in messages:
        assert message in err
    assert "Traceback" not in err
    assert not re.search("0x[0-9a-f]{6}", err)
    assert not (tmp_path / "run").exists()


def test_a_missing_required_binding_is_named(command, tmp_path):
    file = tmp_path / "short.gin"
    file.write_text("include 'digits.gin'\nrun.optimizer = %gin.REQUIRED\n")
    code, _, err = command(tmp_path / "run", file=file)
    assert code == 1
    assert "run.optimizer" in err
    file.write_text("import bnn.experiment\nrun.epochs = 3\n")
    code, _, err = command(tmp_path / "run", file=file)
    assert code == 1
    assert "run.data must be given, got nothing; in gin write for example run.data = @di" in err
    assert not (tmp_path / "run").exists()


def test_a_missing_gin_file_is_named(command, tmp_path):
    code, _, err = command(tmp_path / "run", file=tmp_path / "nowhere.gin")
    assert code == 1
    assert f"--gin_file={tmp_path / 'nowhere.gin'} does not exist" in err
    assert "gin_configs/" in err
    (tmp_path / "file.gin").write_text("include 'nothing.gin'\n")
    code, _, err = command(tmp_path / "run", file=tmp_path / "file.gin")
    assert code == 1
    assert "nothing.gin" in err


def test_the_traceback_is_shown_where_asked_for(command, tmp_path):
    with pytest.raises(ValueError, match="epochz"):
        command(tmp_path / "run", "--traceback", "--gin_bindings=run.epochz = 2")


def test_a_baseline_that_needs_more_samples_says_so(command, cheap_runs, tmp_path):
    score = bindings(
        VariationalInference__estimator="@ScoreFunction()", ScoreFunction__baseline="@LeaveOneOut()"
    )
    code, _, err = command(tmp_path / "run", *score)
    assert code == 1
    assert re.search("leave-one-out baseline needs num_samples of at least 2", err)


def test_a_folder_with_another_run_is_refused_and_the_difference_shown(
    command, cheap_runs, tmp_path
):
    short = bindings(run__epochs="0.1")
    assert command(tmp_path / "run", *short)[0] == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    changed = bindings(run__epochs="0.1", VariationalInference__estimator="@Flipout()")
    code, _, err = command(tmp_path / "run", *changed)
    assert code == 1
    assert f"workdir {tmp_path / 'run'} holds another run; name a new folder with --workdir" in err
    assert "-VariationalInference.estimator = @LocalReparameterization()\n" in err
    assert "+VariationalInference.estimator = @Flipout()" in err
    assert "run.batch_size" not in err
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before
