import os
import signal

import pytest

from launch.children import Signals
from launch.group import Group, Worker


class Ended(Group):
    """A group that looks at its workers, and at signals, only after they have ended."""

    def _wait(self):
        for worker in self._workers:
            os.waitid(os.P_PID, worker.process.pid, os.WEXITED | os.WNOWAIT)


def run(code, signals):
    worker = Worker("worker 0", ["sh", "-c", f"exit {code}"], {})
    return Ended([worker], signals, grace=5, start_timeout=0, prefix=False).run()


@pytest.mark.parametrize("code", [0, 3, 42])
def test_the_code_is_that_of_the_worker(code):
    assert run(code, Signals()) == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 42), (signal.SIGINT, 130)])
def test_a_worker_that_ends_as_the_signal_comes_is_not_taken_for_done(number, code):
    for own, expected in ((1, code), (0, 0)):
        with Signals() as signals:
            signal.raise_signal(number)
            assert run(own, signals) == expected


def test_a_program_that_cannot_start_leaves_no_worker_behind(tmp_path):
    sleeper = Worker("worker 0", ["sleep", "60"], {})
    absent = Worker("worker 1", [str(tmp_path / "none")], {})
    group = Group([sleeper, absent], Signals(), grace=5, start_timeout=0, prefix=False)
    with pytest.raises(FileNotFoundError, match="none"):
        group.run()
    assert sleeper.process.returncode == -signal.SIGKILL
