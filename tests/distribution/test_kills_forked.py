"""A hundred kills of one run, a third of them just before a file operation: no bit changes."""

import json
import subprocess
import sys

import forked_kills
import pytest

pytestmark = pytest.mark.slow


def test_a_hundred_kills_change_nothing(tmp_path):
    output = tmp_path / "kills.json"
    command = [sys.executable, forked_kills.__file__, "--kills=100"]
    subprocess.run(
        [*command, f"--workdir={tmp_path / 'runs'}", f"--output={output}"],
        check=True,
        capture_output=True,
        timeout=7200,
    )
    found = json.loads(output.read_text())
    assert found["kills"] == 100, found
    assert found["before a file operation"] >= 30, found
    assert found["resumed"] >= 10, found
    assert found["same metrics"], found
    assert found["same state"], found
    assert found["same results"], found
    assert found["stale files"] == []
