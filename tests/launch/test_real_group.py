"""Two real workers: one is killed, and the restarted group ends like one that was left alone."""

import json
import os
import pathlib
import signal
import time

import pytest
from same_run import assert_same_run

BINDINGS = (
    "run.strategy = @MultiWorker()",
    "run.tracker = None",
    "run.epochs = 200",
    "run.report_every = 20",
    "run.num_predict_samples = 4",
    "mlp.hidden = (16,)",
)


def arguments(workdir):
    bindings = [f"--gin_bindings={binding}" for binding in BINDINGS]
    return ["--", "--gin_file=gin_configs/digits.gin", f"--workdir={workdir}", *bindings]


def worker_pids(launcher):
    """The process of each worker, by its index."""
    children = pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    found = {}
    for pid in children:
        variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        [text] = [v for v in variables if v.startswith(b"TF_CONFIG=")]
        found[json.loads(text.partition(b"=")[2])["task"]["index"]] = int(pid)
    return found


def wait_for_reports(path, count, process, seconds=200):
    deadline = time.monotonic() + seconds
    while not path.exists() or path.read_text().count("\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_worker_is_named_and_the_restart_continues(launch, start, tmp_path):
    code, out, err = launch("local", "--workers=2", *arguments(tmp_path / "straight"), timeout=300)
    assert code == 0, out + err
    killed = tmp_path / "killed"
    process = start("local", "--workers=2", "--restarts=1", "--grace=20", *arguments(killed))
    wait_for_reports(killed / "metrics.jsonl", 3, process)
    os.kill(worker_pids(process.pid)[1], signal.SIGKILL)
    killed_at = time.monotonic()
    while "restart 1 of 1, from the last checkpoint" not in (line := process.stderr.readline()):
        assert line, "the launcher ended"
        err += line
    assert time.monotonic() - killed_at < 60
    assert "launch: worker 1 was killed by SIGKILL" in err
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 0, rest
    assert_same_run(tmp_path / "straight", killed)
