"""Sets larger than memory: the study's tables, a tiny session, and its bound on memory."""

import json
from pathlib import Path

import pytest

from experiments.streams import run

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's /proc/self/status"
)


def test_the_table_of_steps_holds_the_median_to_its_bound():
    resident = [1e-3, 2e-3, 4e-3]
    streamed = [1.1e-3, 2.28e-3, 5.2e-3]
    table = run.speed_table({"case": "c", "seconds": {"resident": resident, "streamed": streamed}})
    assert "| c | 2.00 (1.50–3.00) |" in table
    assert "| 1.14 (1.12–1.22) | 1.10 | reached |" in table
    slow = {"resident": resident, "streamed": [2 * seconds for seconds in resident]}
    assert "**not reached**" in run.speed_table({"case": "c", "seconds": slow})


def test_the_table_of_memory_holds_the_peak_to_its_bound():
    found = {"train": 6e9, "test": 3e9, "started": 9e8, "trained": 1.3e9, "peak": 2.4e9}
    found |= {"steps": 1869, "seconds": 100.0}
    assert "| 6.00 | 3.00 | 0.90 | 1.30 | 2.40 | reached | 1,869 | 100 |" in run.memory_table(found)
    assert "**not reached**" in run.memory_table({**found, "peak": 2.6e9})


@pytest.mark.slow
@needs_proc
def test_a_tiny_session(tmp_path):
    assert run.main(["--fast", f"--output={tmp_path}", "--rounds=2"]) == 0
    readme = (tmp_path / "README.md").read_text()
    assert "| 6-5-3 |" in readme
    assert "| 0.01 | 0.01 |" in readme


@pytest.mark.slow
@needs_proc
def test_nine_gigabytes_train_and_are_judged_in_two_and_a_half(tmp_path):
    output = ["--parts=memory", f"--output={tmp_path}"]
    assert run.main(output) == 0
    found = json.loads((tmp_path / "results" / "memory.json").read_text())
    assert (found["train"], found["test"]) >= (6e9, 3e9)
    assert found["num_train"] * 4 * 784 >= 6e9
    assert found["peak"] < run.MOST_BYTES
