"""Two processes over loopback: the numbers of one, stops that all agree on, a worker that dies."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from kills import ROOT, SMALL, finish, largest_difference, lines
from streams import streamed, write_digits
from workers import TWO

pytestmark = pytest.mark.slow


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(workdir, *options):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "bnn.run", f"--workdir={workdir}", *SMALL, *TWO, *options],
                cwd=ROOT,
                env={
                    **os.environ,
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "TF_CONFIG": json.dumps(config),
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def wait_for_training(processes):
    for line in processes[0].stdout:
        if line.startswith("step "):
            return
    raise AssertionError(f"ended with {processes[0].wait()}")


def outputs(processes, timeout=600):
    return [process.communicate(timeout=timeout)[0] for process in processes]


def test_two_workers_have_the_numbers_of_one_and_stop_together(tmp_path):
    finish(tmp_path / "one")
    processes = start(tmp_path / "two")
    wait_for_training(processes)
    processes[1].send_signal(signal.SIGTERM)  # one of them is told
    first, second = outputs(processes)
    assert [p.returncode for p in processes] == [42, 42], first + second
    stops = [line for line in first.splitlines() + second.splitlines() if "stopped by" in line]
    assert len({line.partition("after ")[2] for line in stops}) == 1
    processes = start(tmp_path / "two")
    first, second = outputs(processes)
    assert [p.returncode for p in processes] == [0, 0], first + second
    assert "resumed from step" in first
    assert len(lines(tmp_path / "two")) == len(lines(tmp_path / "one"))
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-4
    names = {path.name for path in (tmp_path / "two").iterdir()}
    assert names == {path.name for path in (tmp_path / "one").iterdir()}


def test_two_workers_read_their_shares_of_a_stream_and_have_the_numbers_of_one(tmp_path):
    write_digits(tmp_path / "digits")
    options = [*streamed(tmp_path / "digits", num_workers=0), "--gin_bindings=run.epochs = 8"]
    finish(tmp_path / "one", options)
    processes = start(tmp_path / "two", *options)
    first, second = outputs(processes)
    assert [p.returncode for p in processes] == [0, 0], first + second
    assert len(lines(tmp_path / "two")) == len(lines(tmp_path / "one"))
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-4


def test_a_worker_that_is_killed_ends_the_other_with_an_error_that_names_it(tmp_path):
    processes = start(tmp_path / "run", "--gin_bindings=run.epochs = 2000")
    wait_for_training(processes)
    processes[1].kill()
    killed = time.monotonic()
    first, _ = outputs(processes, timeout=120)
    assert time.monotonic() - killed < 120
    assert processes[0].returncode not in (0, 42)
    assert "worker 1 (127.0.0.1:" in first
    assert "continues from the last checkpoint" in first
