"""--private_network: the workers of a group see each other, and no interface but loopback."""

import json
import os
import re

import pytest

from launch import private_network

GROUP = ("local", "--workers=2", "--private_network", "--module=tests.launch.stand_in", "--")


def test_workers_have_loopback_alone_and_meet_there(launch, tmp_path):
    code, out, err = launch(*GROUP, "--fail=0:7", "--seconds=20")  # it fails when it has met 1
    if "--private_network needs Linux with user namespaces" in err:
        assert code == 2
        pytest.skip("the system has no user namespaces")
    assert code == 7, err
    assert "listen on all interfaces" not in err
    facts = [json.loads(text) for text in re.findall(r"facts (.*)", out)]
    assert [fact["interfaces"] for fact in facts] == [["lo"], ["lo"]]
    assert [fact["user"] for fact in facts] == [os.getuid()] * 2


def test_a_system_that_refuses_is_told_with_the_remedy(monkeypatch):
    def refuse():
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(private_network, "_unshare", refuse)
    with pytest.raises(
        OSError, match=r"^--private_network needs Linux .*permitted\); leave it out"
    ):
        private_network.enter_private_network()
