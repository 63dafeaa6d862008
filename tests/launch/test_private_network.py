"""The network of a local group: loopback alone where the system allows it, else in words."""

import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from launch import private_network

WORKERS = ("--module=tests.launch.stand_in", "--", "--fail=0:7", "--seconds=20")
ALONE = "launch: the workers' network is loopback alone; --no_private_network gives the machine's"
EXPOSED = "launch: the workers' servers listen on all interfaces"
# Forbids a network without a user namespace, as a user who is not root meets it.
AS_ANY_USER = """
import os, socket
from launch import private_network as it
unshare = it._unshare
def refusing(flags):
    if flags == it._CLONE_NEWNET:
        raise PermissionError(1, "Operation not permitted")
    unshare(flags)
it._unshare = refusing
before = os.getuid(), os.getgid()
it.enter_private_network()
assert (os.getuid(), os.getgid()) == before
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
print([name for _, name in socket.if_nameindex()])
"""


def group(launch, *options, workers=2):
    """Standard error, and what the workers saw; the first fails when it has met all."""
    code, out, err = launch("local", f"--workers={workers}", *options, *WORKERS)
    if code == 2 and "--private_network needs Linux" in err:
        pytest.skip("the system has no user namespaces")
    assert code == 7, err
    return err, [json.loads(text) for text in re.findall(r"facts (.*)", out)]


@pytest.mark.parametrize("options", [(), ("--private_network",)], ids=["default", "asked"])
def test_workers_have_loopback_alone_and_meet_there(launch, options):
    err, facts = group(launch, *options)
    if err.startswith(EXPOSED):  # by default a group starts without one, too
        assert "but this system refuses one (" in err.splitlines()[0]
        pytest.skip("the system has no user namespaces")
    assert err.startswith(ALONE)
    assert [fact["interfaces"] for fact in facts] == [["lo"], ["lo"]]
    assert [fact["user"] for fact in facts] == [os.getuid()] * 2


def test_the_network_of_the_machine_is_there_for_the_asking(launch):
    err, facts = group(launch, "--no_private_network")
    assert err.startswith(f"{EXPOSED}; --private_network keeps others out")
    ours = [name for _, name in socket.if_nameindex()]
    assert [fact["interfaces"] for fact in facts] == [ours, ours]


def test_one_worker_needs_no_network_of_its_own(launch):
    """It has no server that listens, and may want the internet for its data."""
    err, facts = group(launch, workers=1)
    assert "network" not in err
    assert facts[0]["interfaces"] == [name for _, name in socket.if_nameindex()]


def test_a_user_without_rights_enters_one():
    found = subprocess.run([sys.executable, "-c", AS_ANY_USER], capture_output=True, text=True)
    if "--private_network needs Linux" in found.stderr:
        pytest.skip("the system has no user namespaces")
    assert found.stdout == "['lo']\n", found.stderr


def test_a_system_that_refuses_is_told_with_the_remedy(monkeypatch):
    def refuse(flags):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(private_network, "_require_one_thread", lambda: None)
    monkeypatch.setattr(private_network, "_unshare", refuse)
    with pytest.raises(
        OSError, match=r"^--private_network needs Linux .*permitted\); leave it out"
    ):
        private_network.enter_private_network()


def test_a_process_with_threads_stays_where_it_is(monkeypatch):
    """A network is a thread's: one alone would move."""
    monkeypatch.setattr(private_network, "_unshare", None)
    done = threading.Event()
    threading.Thread(target=done.wait, daemon=True).start()
    try:
        with pytest.raises(OSError, match=r"^--private_network needs .* has \d+ threads\);"):
            private_network.enter_private_network()
    finally:
        done.set()
