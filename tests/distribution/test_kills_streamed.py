"""Kills of a run whose images are read from files and augmented by worker processes."""

import json
import os
import time
from pathlib import Path

import pytest
from kills import finish, kill_often, lines, start, state
from streams import streamed, write_digits

pytest.importorskip("grain", reason="needs Grain: pip install 'bnn[streams]'")

pytestmark = pytest.mark.slow


def of_run(workdir):
    """The processes of a run by the folder in their arguments, its readers among them."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                arguments = (process / "cmdline").read_bytes()
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            found.append((int(process.name), int(parent), arguments))
    own = {number for number, _, arguments in found if str(workdir).encode() in arguments}
    readers = {number for number, parent, _ in found if parent in own}
    return own, readers


def same(one, other):
    assert lines(one) == lines(other)
    assert state(one) == state(other)
    results = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
    assert results[0]["test"] == results[1]["test"]
    assert results[0]["augmentation"] == ["Crop", "Cutout"]
    assert results[0]["num_train"] == 1437


def test_twenty_kills_of_a_streamed_run_change_no_bit(tmp_path):
    write_digits(tmp_path / "digits")
    options = streamed(tmp_path / "digits")
    finish(tmp_path / "whole", options)
    hit = kill_often(tmp_path / "run", kills=20, seed=4, seconds=7200, options=options)
    assert hit["kills"] >= 20, hit
    assert hit["resumed"], hit
    same(tmp_path / "run", tmp_path / "whole")
    # Any number of workers gives the same run.
    finish(tmp_path / "alone", [*options, "--gin_bindings=augmented.num_workers = 0"])
    same(tmp_path / "alone", tmp_path / "whole")


def test_readers_end_with_the_run_that_was_killed(tmp_path):
    write_digits(tmp_path / "digits")
    process = start(tmp_path / "run", streamed(tmp_path / "digits"))
    for line in process.stdout:
        if line.startswith("step "):
            break
    _, readers = of_run(tmp_path / "run")
    assert len(readers) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{reader}") for reader in readers):
        assert time.monotonic() < deadline, "readers outlive the run"
        time.sleep(0.2)
