"""Lines of runs that are under way: on a terminal they change, elsewhere there are none."""

import io
import os
import pty
import re
import select
import sys

import pytest

from launch.live import Live
from launch.pool import Task


@pytest.fixture
def task(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("begin\nstep 3/6  loss 0.5  eta 0:01\n")
    return Task(name="seed=0", command=[sys.executable], environment={}, log=log)


def test_elsewhere_lines_are_plain(task):
    stream = io.StringIO()
    with Live(2, stream) as live:
        live.started(task)
        live.say("start  seed=0")
        live.look()
        live.ended(task)
        live.say("[1/2] seed=0: finished in 3 s")
    assert stream.getvalue() == "start  seed=0\n[1/2] seed=0: finished in 3 s\n"


def test_on_a_terminal_a_run_has_a_line_with_the_last_of_its_log(task, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, Live(2, stream) as live:
        live.started(task)
        live.look()
        live.say("[note] with brackets")
        live.ended(task)
        live.look()
        written = ""
        while "1 of 2 ended" not in written and select.select([ours], [], [], 5.0)[0]:
            written += os.read(ours, 2**16).decode()
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    assert re.search(r"seed=0\s+0:00\s+step 3/6  loss 0\.5", text)
    assert "0 of 2 ended" in text
    assert "1 of 2 ended" in text
    assert "[note] with brackets" in text
