import json

import pytest

from experiments.tracking import run, table
from experiments.tracking.arms import ARMS

ROW = {"loss": 1.0, "seconds": 3.0}


def write_run(folder, wall, train, value=0.5, stderr=""):
    folder.mkdir()
    cost = {"wall": wall, "cpu": 2 * wall, "stderr": stderr}
    cost["held"] = {"start": 0.1, "log": 0.3, "finish": wall / 10}
    (folder / "cost.json").write_text(json.dumps(cost))
    versions = {"python": "3", "tensorflow": "2", "keras": "3"}
    results = {
        "seconds": {"train": train},
        "versions": versions,
        "date": "2026-01-02T03:04:05",
        "git_revision": "f" * 40,
        "seed": 0,
    }
    (folder / "results.json").write_text(json.dumps(results))
    lines = [{"step": step, "loss": value, "seconds": wall * step} for step in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_ratios_are_of_the_same_round_and_values_are_compared_to_the_bit(tmp_path):
    for repeat, speed in enumerate((1.0, 2.0)):
        write_run(tmp_path / f"none-{repeat}", 10.0 * speed, 8.0 * speed)
        write_run(tmp_path / f"offline-{repeat}", 11.0 * speed, 8.0 * speed)
        write_run(tmp_path / f"errors-{repeat}", 10.0, 8.0, 0.5 + repeat * 2**-53, "W&B lost\nx\n")
    none, offline, errors = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.table(tmp_path).splitlines()[2:5]
    ]
    assert none == [
        *("no tracker", "2", "3.75 %", "1.5 s", "12.0 s", "15.0 s", "30.0 s"),
        *("2 lines, –", "–", "0"),
    ]
    assert offline[4:7] == ["×1.000 ± 0.000", "×1.100 ± 0.000", "×1.100 ± 0.000"]
    assert offline[7] == "2 lines, 2 of 2 bit-identical"
    assert errors[4].startswith("×0.707 ± 0.2")  # ratios 1 and 1/2
    assert errors[7] == "2 lines, 1 of 2 bit-identical"
    assert errors[9] == "1"


@pytest.mark.slow
def test_one_short_round(tmp_path, monkeypatch):
    chosen = [arm for arm in ARMS if arm.name in ("none", "lost", "errors")]
    monkeypatch.setattr(run, "ARMS", chosen)
    options = [f"--root={tmp_path / 'runs'}", f"--output={tmp_path}"]
    assert run.main(["--fast", *options]) == 0
    text = (tmp_path / "README.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| W&B")]
    assert len(rows) == 2
    for row in rows:
        assert "2 lines, 1 of 1 bit-identical | 2 | 1 |" in row


def test_a_report_needs_a_run(tmp_path, capsys):
    assert run.main([f"--root={tmp_path}", f"--output={tmp_path}", "--report"]) == 1
    assert "has ended; leave --report out" in capsys.readouterr().err
