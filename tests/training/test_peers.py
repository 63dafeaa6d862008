import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from bnn.training import MultiWorker
from bnn.training.peers import _listens, check_addresses, meet


@pytest.fixture
def listening():
    """The address of a server that listens, and one at which nothing does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield tuple(f"127.0.0.1:{port}" for port in (server.getsockname()[1], _free_port()))


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    "address", ["host", "host:", ":1", "host:0", "host:70000", "host:-1", "a b:1", "http://a:1", 7]
)
def test_what_is_no_address_is_refused(address, monkeypatch):
    with pytest.raises(ValueError, match=r"port from 1 to 65535, got .* for worker 1; correct it"):
        check_addresses(["a:1", address])
    config = {"cluster": {"worker": ["a:1", address]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ValueError, match=r"port from 1 to 65535, got .* for worker 1; correct it"):
        MultiWorker()


def test_one_address_for_two_workers_is_refused():
    with pytest.raises(ValueError, match=r"of its own, got 'a:1' for worker 0 and worker 2; give"):
        check_addresses(["a:1", "b:1", "a:1"])


def test_good_addresses():
    check_addresses(["a:1", "a:2", "node-3.cluster.local:65535", "127.0.0.1:80", "[::1]:80"])


def test_workers_that_are_there_meet(listening):
    there, own = listening
    meet([own, there], 0, 30.0)
    meet([own, there], 0, 30.0)  # the port is free again for TensorFlow's server
    meet([own, there], 0, 0.0)
    meet(["no-such-host.invalid:1"], 0, 1.0)


def test_a_worker_listens_at_its_own_kind_of_address():
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        there, own = f"[::1]:{server.getsockname()[1]}", f"[::1]:{_free_port()}"
        seen = []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            late = "127.0.0.1:1"  # that holds the worker at its port for a while
            waiting = pool.submit(meet, [own, there, late], 0, 1.0)
            while not waiting.done() and not seen:
                seen += [own] * _listens(own)
            assert seen
            with pytest.raises(TimeoutError, match=r"^worker 2 \(127\.0\.0\.1:1\) of TF_CONFIG"):
                waiting.result()


def test_who_does_not_come_is_named(listening):
    there, own = listening
    started = time.monotonic()
    with pytest.raises(
        TimeoutError,
        match=r"^worker 1 \(no-such-host\.invalid:1\), worker 3 \(127\.0\.0\.1:1\) of TF_CONFIG "
        r"must listen within 0\.1 s of the start of worker 0, but .*raise MultiWorker",
    ):
        meet([own, "no-such-host.invalid:1", there, "127.0.0.1:1"], 0, 0.1)
    assert time.monotonic() - started < 10


def test_a_port_that_is_taken_is_named(listening):
    there, other = listening
    with pytest.raises(
        ValueError, match=r"^worker 0 of TF_CONFIG must listen at port \d+ .*free po"
    ):
        meet([there, other], 0, 1.0)


@pytest.mark.slow
def test_a_run_whose_peer_never_comes_ends_and_leaves_nothing(tmp_path):
    mine = f"127.0.0.1:{_free_port()}"
    config = {"cluster": {"worker": [mine, "127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}
    bindings = ("run.strategy = @MultiWorker()", "MultiWorker.start_timeout = 2.0")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bnn.run", "--gin_file=digits.gin"),
            f"--workdir={tmp_path / 'run'}",
            *(f"--gin_bindings={binding}" for binding in bindings),
        ],
        env={**os.environ, "TF_CONFIG": json.dumps(config)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "error: worker 1 (127.0.0.1:1) of TF_CONFIG must listen within 2 s" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_an_endless_or_negative_wait_is_refused(seconds):
    with pytest.raises(ValueError, match="start_timeout must be seconds of at least 0, got"):
        MultiWorker(start_timeout=seconds)


def test_workers_of_one_machine_listen_at_loopback_alone(listening, monkeypatch):
    """Where another address is among them, all interfaces: a name may mean another one here."""
    there, own = listening
    seen = []
    create = socket.create_server

    def spy(address, **options):
        seen.append(address[0])
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", spy)
    meet([own, there], 0, 30.0)
    meet([own.replace("127.0.0.1", "localhost"), there], 0, 30.0)
    assert seen == ["127.0.0.1", "localhost"]
    with pytest.raises(TimeoutError, match=r"worker 1 .no-such-host"):
        meet([own, "no-such-host.invalid:1"], 0, 0.01)
    assert seen[2] == ""
