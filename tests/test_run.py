import gzip
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import gin
import numpy as np
import pytest
import tensorflow as tf
from absl import flags, logging
from absl.testing import flagsaver

import bnn.run
from bnn.posteriors import Point
from bnn.runs import session, train
from bnn.tracking import read_jsonl

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "gin_configs"
DIGITS = CONFIGS / "digits.gin"
# 1,437 training examples: 6 steps, reports after 3 and 6; small, and quick to compile.
SHORT = {
    "run.batch_size": "240",
    "run.epochs": "1",
    "run.report_every": "0.5",
    "run.tracker": "None",
    "run.jit_compile": "False",
    "run.num_predict_samples": "2",
    "run.steps_per_call": "2",
    "mlp.hidden": "()",
}


def bindings(**changes):
    """Flags for the short bindings and others."""
    changes = {name.replace("__", "."): value for name, value in changes.items()}
    return [f"--gin_bindings={name} = {value}" for name, value in {**SHORT, **changes}.items()]


@pytest.fixture
def command(monkeypatch, clean_gin, capsys):
    """command(workdir, *flags, file=…): runs the command line in this process.

    Returns exit code, standard output and error.
    """
    monkeypatch.setattr("gin.config._LOCATION_PREFIXES", [""])
    monkeypatch.setenv("BNN_DATA_DIR", "")  # noted, so that it is put back
    monkeypatch.delenv("BNN_DATA_DIR")
    verbosity = logging.get_verbosity()

    def run(workdir, *options, file=DIGITS):
        gin.clear_config()
        files = [f"--gin_file={file}"] if file is not None else []
        argv = ["bnn.run", f"--workdir={workdir}", *files, *options]
        with flagsaver.flagsaver():
            rest = flags.FLAGS(argv)
            code = bnn.run.main(rest)
        written = capsys.readouterr()
        return code, written.out, written.err

    yield run
    flags.FLAGS.unparse_flags()
    logging.set_verbosity(verbosity)


def without_times(workdir):
    lines = (Path(workdir) / "metrics.jsonl").read_text().splitlines()
    return [re.sub(r'"seconds": [0-9.e+-]+, ', "", line) for line in lines]


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
    assert "run failed" in out
    assert not (tmp_path / "run" / "results.json").exists()
    state = tf.train.load_checkpoint(
        tf.train.latest_checkpoint(str(tmp_path / "run" / "checkpoints"))
    )
    parts = ("model/", "likelihood/", "optimizer/")
    names = [n for n in state.get_variable_to_shape_map() if n.startswith(parts)]
    assert names
    assert all(np.isfinite(state.get_tensor(name)).all() for name in names)


@gin.register(module="tests.test_run")
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


def write_mnist(folder, images, labels):
    """Both splits from the same arrays."""
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(content)


@pytest.fixture
def mnist(tmp_path):
    """A folder of data sets with an MNIST of 20 images."""
    random = np.random.RandomState(0)
    write_mnist(
        tmp_path / "data" / "mnist", random.randint(0, 256, (20, 28, 28)), np.arange(20) % 10
    )
    return tmp_path / "data"


def run_mnist(command, tmp_path, data_dir):
    small = bindings(run__batch_size="5", run__epochs="0.25")
    mnist_file = f"--gin_file={CONFIGS / 'data' / 'mnist.gin'}"
    return command(tmp_path / "run", mnist_file, f"--data_dir={data_dir}", *small)


def test_data_are_found_by_the_flag(command, cheap_runs, tmp_path, mnist):
    code, _, err = run_mnist(command, tmp_path, mnist)
    assert (code, err) == (0, "")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["data"] == "mnist"
    assert results["num_train"] == 20


def spoil_missing(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    return ["train-labels-idx1-ubyte.gz", "no such file", "https://"]


def spoil_truncated(folder):
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))
    return ["t10k-images-idx3-ubyte.gz", "truncated: expected 15680 bytes", "got 15580", "https://"]


def spoil_labels(folder):
    path = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[8 + 3] = 77
    path.write_bytes(gzip.compress(bytes(content)))
    return ["wrong label range", "must lie in [0, 10), got 77 in row 3", str(path)]


def spoil_folder(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    return ["mnist", "no such file"]


@pytest.mark.parametrize(
    "spoil", [spoil_missing, spoil_truncated, spoil_labels, spoil_folder], ids=lambda f: f.__name__
)
def test_what_is_wrong_with_the_data_is_said(command, tmp_path, mnist, spoil):
    messages = spoil(mnist / "mnist")
    code, _, err = run_mnist(command, tmp_path, mnist)
    assert code == 1
    for message in messages:
        assert message in err
    assert not (tmp_path / "run").exists()


def test_a_data_folder_that_is_not_there_is_named(command, tmp_path):
    code, _, err = run_mnist(command, tmp_path, tmp_path / "nowhere")
    assert code == 1
    assert "error: --data_dir must name an existing folder that holds the set mnist, got " in err
    assert f"got '{tmp_path / 'nowhere'}'" in err
    assert "BNN_DATA_DIR" not in err  # the flag was given, not the variable


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


def python(*arguments, **options):
    """Starts `python -m bnn.run` from elsewhere than the repository."""
    return subprocess.Popen(
        [sys.executable, "-m", "bnn.run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        **options,
    )


def test_the_command_in_a_process_of_its_own_gives_the_same_numbers(command, tmp_path, monkeypatch):
    """As users start it; then its configuration in this process, to the last bit."""
    options = [f"--gin_file={DIGITS}", *bindings(run__epochs="0.5")]
    process = python(f"--workdir={tmp_path / 'there'}", *options, cwd=tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "test accuracy" in out
    assert "\x1b" not in out  # plain lines where there is no terminal
    assert "Traceback" not in err
    assert "error:" not in err
    code, *_ = command(tmp_path / "here", file=tmp_path / "there" / "config.gin")
    assert code == 0
    assert without_times(tmp_path / "here") == without_times(tmp_path / "there")
    here, there = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("here", "there")
    )
    for name in ("test", "kl", "num_parameters", "versions"):
        assert here[name] == there[name]


def test_every_flag_explains_itself():
    explained = {f.name: f.help for f in flags.FLAGS.get_key_flags_for_module("bnn.run")}
    assert set(explained) == {"gin_file", "gin_bindings", "workdir", "data_dir", "traceback"}
    assert all(len(text) > 20 for text in explained.values())


@pytest.mark.slow
def test_help_is_readable(tmp_path):
    with python("--help", cwd=tmp_path) as process:
        out, _ = process.communicate(timeout=120)
    assert "rains and evaluates the run that gin files describe" in out
    for name in ("gin_file", "gin_bindings", "workdir", "data_dir"):
        assert f"--{name}: " in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.slow
def test_a_required_flag_that_is_missing_is_named(tmp_path):
    with python(f"--gin_file={DIGITS}", cwd=tmp_path) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Flag --workdir must have a value" in err


LONG = [f"--gin_file={DIGITS}", *bindings(run__epochs="400", run__report_every="20")]


@pytest.fixture(scope="module")
def whole_process(tmp_path_factory):
    """The folder of a run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    with python(f"--workdir={workdir}", *LONG) as process:
        _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 42), (signal.SIGKILL, -9)]
)
def test_a_process_that_is_stopped_continues_to_the_same_bits(
    tmp_path, whole_process, number, code
):
    with python(f"--workdir={tmp_path / 'run'}", *LONG) as process:
        for line in process.stdout:
            if line.startswith("step"):
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert (f"stopped by {number.name} after step" in err) == (code > 0)
    assert not (tmp_path / "run" / "results.json").exists()
    with python(f"--workdir={tmp_path / 'run'}", *LONG) as process:
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "resumed from step" in out
    assert without_times(tmp_path / "run") == without_times(whole_process)
