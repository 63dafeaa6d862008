"""Runs that are killed at random moments and started again by the same command."""

import pytest
from kills import (
    finish,
    kill_often,
    largest_difference,
    lines,
    mirrored,
    start,
    state,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    finish(workdir)
    return workdir


def assert_same(left, right):
    assert lines(left) == lines(right)
    assert state(left) == state(right)
    for path in left.rglob("*"):
        assert not path.name.endswith((".tmp", "_temp")), "stale files are swept"


def test_twenty_kills_change_no_bit(tmp_path, whole):
    hit = kill_often(tmp_path / "run", kills=20, seed=0, seconds=7200)
    assert hit["kills"] >= 20, hit
    assert hit["resumed"], hit
    assert_same(tmp_path / "run", whole)


def test_kills_of_two_replicas_change_no_bit_and_one_device_may_go_on(tmp_path, whole):
    finish(tmp_path / "two", mirrored(2))
    kill_often(tmp_path / "run", kills=3, seed=1, options=mirrored(2))
    assert_same(tmp_path / "run", tmp_path / "two")
    kill_often(tmp_path / "moved", kills=1, seed=2, options=mirrored(2))
    assert largest_difference(tmp_path / "moved", whole) < 1e-4
    assert largest_difference(tmp_path / "two", whole) < 1e-4


def test_a_second_process_on_the_folder_is_refused(tmp_path):
    first = start(tmp_path / "run")
    for line in first.stdout:
        if line.startswith("step "):
            break
    second = start(tmp_path / "run")
    out, _ = second.communicate(timeout=300)
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert "is in use by another process" in out
