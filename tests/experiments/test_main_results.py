"""The README's result table: rows, records, and rows made anew."""

import json
from pathlib import Path

import pytest

from experiments.main_results import run
from experiments.runs import Job

ROOT = Path(__file__).parents[2]
RECORD = {
    "posterior": "whole KL",
    "estimator": "Mean",
    "test": {"error": 0.5, "nll": 0.25, "ece": 0.125},
    "num_predict_samples": 32,
    "seconds": {"train": 11.0},
    "date": "2026-01-02T03:04:05",
    "git_revision": "f" * 40,
    "versions": {"python": "3", "tensorflow": "2", "keras": "1"},
}


def test_the_table_in_the_readme_is_that_of_the_records():
    records = json.loads((ROOT / "experiments" / "main_results" / "results.json").read_text())
    assert set(records) <= set(run.ROWS)
    text = (ROOT / "README.md").read_text()
    shown = text.split("<!-- results -->\n")[1].split("<!-- end of results -->")[0]
    assert run.table(records) == shown


def test_every_row_names_a_file_and_no_record_gives_no_table():
    for row in run.ROWS.values():
        assert (ROOT / "gin_configs" / row.file).exists()
    assert run.table({}) == ""


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Jobs that were trained; each leaves a record with the number of trainings as its seconds."""
    names = []

    def train(job, root, threads=None):
        if job.results(root) is not None:
            return False
        names.append(job.name)
        (root / job.name).mkdir(parents=True)
        record = RECORD | {"seconds": {"train": len(names), "predict": 1}, "seed": 0}
        (root / job.name / "results.json").write_text(json.dumps(record))
        return True

    monkeypatch.setattr(Job, "train", train)
    monkeypatch.setattr(run, "_RECORDS", tmp_path / "results.json")
    (tmp_path / "results.json").write_text(json.dumps({"uci_yacht": RECORD}))
    return names


def test_rows_are_made_singly_and_the_others_stay(trained, tmp_path):
    options = [f"--root={tmp_path / 'runs'}", f"--output={tmp_path}"]
    assert run.main([*options, "--rows=digits_flipout,digits"]) == 0
    assert trained == ["digits", "digits_flipout"]
    text = (tmp_path / "README.md").read_text()
    for row in ("digits, 2×200 (`digits.gin`) | whole KL | Mean | 50.00 | 0.2500 |", "UCI yacht"):
        assert row in text
    assert "MNIST, LeNet-5 (" not in text.split("<!-- end of results -->")[0]
    run.main([*options, "--rows=digits"])
    assert trained == ["digits", "digits_flipout"], "what has ended is not repeated"
    run.main([*options, "--rows=digits", "--again"])
    assert trained == ["digits", "digits_flipout", "digits"]
    records = json.loads((tmp_path / "results.json").read_text())
    assert {name: record["seconds"]["train"] for name, record in records.items()} == {
        "uci_yacht": 11.0,
        "digits": 3,
        "digits_flipout": 2,
    }


def test_unknown_rows_are_refused(capsys):
    with pytest.raises(SystemExit):
        run.main(["--rows=digit"])
    assert "must be names with commas of digits, digits_tempered," in capsys.readouterr().err
