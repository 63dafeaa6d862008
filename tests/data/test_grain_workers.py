"""Worker processes; each test starts its own, which takes some seconds."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bnn.data import ArrayExamples, ExampleError, ItemExamples, StreamedBatches
from bnn.data.augmentation import Flip

pytest.importorskip("grain", reason="needs Grain: pip install 'bnn[streams]'")

pytestmark = pytest.mark.slow


class Slow:
    """A source that says where it was read, and fails at one row."""

    def __init__(self, bad: int = -1) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 40

    def __getitem__(self, row: int) -> tuple:
        if row == self.bad:
            raise OSError("cut off")
        return np.full((2, 2, 1), row, np.float32), np.int32(os.getpid())

    def where(self, row: int) -> str:
        return f"file part-{row // 10}"


def test_workers_give_the_same_batches_as_none():
    random = np.random.RandomState(0)
    images = random.uniform(size=(40, 4, 4, 1)).astype(np.float32)
    examples = ArrayExamples("toy", {"a": images}, (np.arange(40) % 3).astype(np.int32))
    maps = (Flip(),)
    alone = StreamedBatches(examples, 8, 5, maps)
    with_workers = StreamedBatches(examples, 8, 5, maps, num_workers=2)
    for first in (0, 3, 6, 100):
        one, other = alone.take(first, 3), with_workers.take(first, 3)
        np.testing.assert_array_equal(one["inputs"]["a"], other["inputs"]["a"])
        np.testing.assert_array_equal(one["targets"], other["targets"])
    with_workers.close()


def test_rows_are_read_in_other_processes_and_a_bad_one_is_named():
    stream = StreamedBatches(ItemExamples("toy", Slow()), 8, 0, num_workers=2)
    readers = set(stream.take(0, 8)["targets"].numpy().ravel())
    assert len(readers) == 2
    assert os.getpid() not in readers
    stream.close()
    broken = StreamedBatches(ItemExamples("toy", Slow(bad=17)), 8, 0, num_workers=1)
    with pytest.raises(ExampleError, match=r"row 17 \(file part-1\) cannot be decoded: cut off"):
        broken.take(0, 5)
    broken.close()


def test_who_rests_reads_on_when_asked():
    for workers in (0, 1):
        stream = StreamedBatches(ItemExamples("toy", Slow()), 8, 0, num_workers=workers)
        others = set(multiprocessing.active_children())
        stream.take(0, 2)
        stream.rest()
        stream.rest()
        assert set(multiprocessing.active_children()) <= others
        assert stream.take(2, 1)["targets"].shape == (1, 8)
        stream.close()


def _take_all(stream: StreamedBatches) -> None:
    for step in range(1, 40):
        stream.take(step, 1)


def test_a_worker_that_dies_is_said_in_words():
    stream = StreamedBatches(ItemExamples("toy", Slow()), 8, 0, num_workers=1)
    reader = int(stream.take(0, 1)["targets"].numpy().ravel()[0])
    os.kill(reader, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"a worker process that reads the data died .* fewer"):
        _take_all(stream)
    stream.close()


SCRIPT = """
import numpy as np
from bnn.data import ArrayExamples, StreamedBatches

if __name__ == "__main__":
    x = np.zeros((40, 3), np.float32)
    stream = StreamedBatches(ArrayExamples("toy", x, x), 8, 0, num_workers=1)
    print(stream.take(0, 2)["inputs"].shape)
"""


def test_a_script_ends_by_itself_and_quietly(tmp_path: Path):
    (tmp_path / "train.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "train.py"], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(2, 8, 3)"
    assert "Exception ignored" not in done.stderr
    assert "Traceback" not in done.stderr


def test_without_grain(monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    x = np.zeros((4, 3), np.float32)
    with pytest.raises(ImportError, match=r"num_workers above 0 needs Grain.*'bnn\[streams\]'"):
        StreamedBatches(ArrayExamples("toy", x, x), 2, 0, num_workers=1)
