"""A disk that is full, no more open files, a folder that goes, a damaged checkpoint.

What was written is not lost: the same command goes on, and ends with the bits of a run that nothing
disturbed. A full disk is one on which no file may grow (RLIMIT_FSIZE), which needs no privileges.
"""

import json
import resource
import shutil

import pytest
from kills import TIMEOUT, finish, lines, start, state

pytestmark = pytest.mark.slow
# 7 or 8 steps and two saves between two reports.
_SHORT = {"run.epochs": "20", "run.report_every": "0.25", "run.steps_per_call": "4"}
OPTIONS = [f"--gin_bindings={name} = {value}" for name, value in _SHORT.items()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    finish(workdir, OPTIONS)
    return workdir


def assert_same(left, right):
    assert lines(left) == lines(right)
    assert state(left) == state(right)
    results = [json.loads((run / "results.json").read_text()) for run in (left, right)]
    assert results[0]["test"] == results[1]["test"]


def reports(process, count):
    """Reads so many lines of reports; all that was read."""
    text = ""
    for line in process.stdout:
        text += line
        count -= line.startswith("step ")
        if count == 0:
            return text
    raise AssertionError(f"the run ended before:\n{text}")


@pytest.mark.parametrize(
    ("limit", "value", "remedy"),
    [
        (resource.RLIMIT_FSIZE, 1000, "ulimit -f"),
        (resource.RLIMIT_NOFILE, 3, "ulimit -n"),
    ],
    ids=["no file can grow", "no file can be opened"],
)
def test_what_cannot_be_written_is_said_and_the_same_command_goes_on(
    tmp_path, whole, limit, value, remedy
):
    process = start(tmp_path / "run", OPTIONS)
    reports(process, 3)
    resource.prlimit(process.pid, limit, (value, value))
    out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, out
    assert "Traceback" not in out
    assert "error: " in out
    assert remedy in out
    assert not (tmp_path / "run" / "results.json").exists()
    written = lines(tmp_path / "run")
    assert len(written) >= 3
    assert "resumed from step" in finish(tmp_path / "run", OPTIONS)
    assert_same(tmp_path / "run", whole)


def test_a_folder_that_is_deleted_while_the_run_trains(tmp_path, whole):
    process = start(tmp_path / "run", OPTIONS)
    reports(process, 3)
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, out
    assert "was deleted while the run trained" in out
    assert state(tmp_path / "run") == state(whole)
    assert finish(tmp_path / "run", OPTIONS)  # shows the results
    left = json.loads((tmp_path / "run" / "results.json").read_text())
    assert left["test"] == json.loads((whole / "results.json").read_text())["test"]


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_damaged_newest_checkpoint(tmp_path, whole, part):
    process = start(tmp_path / "run", OPTIONS)
    reports(process, 4)
    process.kill()
    process.communicate()
    files = (tmp_path / "run" / "checkpoints").glob(f"ckpt-*.{part}")
    newest = max(files, key=lambda path: int(path.name.split("-")[1].split(".")[0]))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    out = finish(tmp_path / "run", OPTIONS)
    assert "is damaged" in out
    assert "resumed from step" in out
    assert_same(tmp_path / "run", whole)
