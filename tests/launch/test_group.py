import signal

import pytest

from launch.children import Signals
from launch.group import Group, Worker


def make(code, signals, **options):
    worker = Worker("worker 0", ["sh", "-c", f"exit {code}"], {})
    return Group([worker], signals, grace=5, start_timeout=0, prefix=False, **options)


@pytest.mark.parametrize("code", [0, 3, 42])
def test_the_code_is_that_of_the_worker(code):
    assert make(code, Signals()).run() == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 42), (signal.SIGINT, 130)])
def test_a_worker_that_ends_as_the_signal_comes_is_not_taken_for_done(number, code):
    with Signals() as signals:
        signal.raise_signal(number)  # passed on a tick after the start
        assert make(1, signals).run() == code
    with Signals() as signals:
        signal.raise_signal(number)
        assert make(0, signals).run() == 0


def test_a_program_that_cannot_start_leaves_no_worker_behind(tmp_path):
    sleeper = Worker("worker 0", ["sleep", "60"], {})
    absent = Worker("worker 1", [str(tmp_path / "none")], {})
    group = Group([sleeper, absent], Signals(), grace=5, start_timeout=0, prefix=False)
    with pytest.raises(FileNotFoundError, match="none"):
        group.run()
    assert sleeper.process.returncode == -signal.SIGKILL
