"""`python -m bnn.run` in a process of its own: its numbers, its help, and stopped."""

import json
import signal
import time

import pytest
from absl import flags

from tests.runs.command_line import DIGITS, bindings, python
from tests.runs.toy_runs import without_times


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
        while number == signal.SIGTERM and process.poll() is None:
            time.sleep(0.01)  # launchers and schedulers send several, to the end
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
