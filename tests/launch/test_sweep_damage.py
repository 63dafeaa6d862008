"""Damaged files of a sweep, and names that tables and spreadsheets would misread."""

import csv
import json

import pytest

from launch.points import Point, read_points, write_points
from launch.records import FAILED, WAITING, Records
from launch.sweep_results import show, write_results

STUB = "--module=tests.launch.stub_trainer"
FILE = """
gin_file = "gin_configs/digits.gin"
seeds = 2
[grid]
stub.rate = [0.5]
"""


@pytest.fixture
def sweep(launch, tmp_path):
    def run(*options, text=FILE, **more):
        (tmp_path / "s.toml").write_text(text)
        root = f"--root={tmp_path / 's'}"
        return launch("sweep", tmp_path / "s.toml", STUB, root, *options, **more)

    return run


def test_damaged_results_are_left_out_of_the_table(sweep, tmp_path):
    sweep()
    file = tmp_path / "s" / "rate=0.5,seed=0" / "results.json"
    for text, fault in (
        ("{", "is not JSON ("),
        ("[1]", "must hold an object, got [1]; delete"),
        ('{"test": 3}', "must hold the metrics of a run under 'test', got none; delete"),
    ):
        file.write_text(text)
        code, out, err = sweep()
        assert (code, err) == (1, "")
        assert "1 left out of the table:" in out
        [line] = [line for line in out.splitlines() if str(file) in line]
        assert fault in line
        assert line.endswith(f"delete {file.parent} to run it again.")
        assert "| 0.5  | 1     |" in out


@pytest.mark.parametrize("text", ["{", "[]", '{"arguments": 3}', '{"exit_code": "x"}', "\udcff"])
def test_damaged_records(tmp_path, capsys, text):
    records = Records(tmp_path)
    point = Point(f"p{abs(hash(text))}", {}, None, ["--workdir=x"])
    records.write(point, exit_code=1)
    assert records.state(point) == FAILED
    [file] = (tmp_path / "records").iterdir()
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert records.state(point) == WAITING
    records.check([point])
    [line] = capsys.readouterr().err.splitlines()  # once, however often it is asked
    assert line.startswith(f"warning: {file}")
    assert line.endswith("the run is taken for one that was never started; delete the file.")


def test_damaged_points(tmp_path):
    file = tmp_path / "points.json"
    points = [Point("a", {"x": "1"}, 0, ["--b"])]
    write_points(file, points)
    assert read_points(file) == points
    for text in ("{", "[3]", '[{"name": "a"}]'):
        file.write_text(text)
        with pytest.raises(
            ValueError,
            match=r"points\.json does not hold the runs of a sweep \(.*\); delete it",
        ):
            read_points(file)
    with pytest.raises(FileNotFoundError):
        read_points(tmp_path / "missing")


def test_a_dry_run_on_slurm_shows_the_script(sweep, tmp_path):
    """Without a cluster, without a file written, and with the arguments of every element."""
    slurm = ["--backend=slurm", "--time=60", "--max_running=2", "--dry_run"]
    code, out, err = sweep(*slurm, PATH=str(tmp_path))
    assert (code, err) == (0, "")
    assert out.startswith("#!/bin/bash\n")
    assert "#SBATCH --array=0-1%2\n" in out
    assert "launch.slurm_task" in out
    assert "submitted" in out
    assert "# 1: python -m tests.launch.stub_trainer --gin_file=gin_configs/digits.gin" in out
    assert not (tmp_path / "s").exists()
    code, _, err = sweep("--backend=slurm", "--dry_run")
    assert code == 2
    assert "error: a Slurm job needs a limit: add for example --time=4:00:00" in err


def test_percent_signs_of_the_root_are_no_notation_of_slurm(launch, tmp_path):
    (tmp_path / "s.toml").write_text(FILE)
    slurm = ["--backend=slurm", "--time=60", "--dry_run"]
    code, out, _ = launch("sweep", tmp_path / "s.toml", f"--root={tmp_path}/50%j off", *slurm)
    assert code == 0
    assert f"'--output={tmp_path}/50%%j off/logs/slurm-%A_%a.out'" in out.replace(
        f"--output='{tmp_path}/50%%j off/logs/slurm-%A_%a.out'",
        f"'--output={tmp_path}/50%%j off/logs/slurm-%A_%a.out'",
    )
    assert "#SBATCH --job-name=50%j_off\n" in out.replace("'", "")


HOSTILE = {
    "commas": "a,b,c",
    "lines": "a\nb\r\nc",
    "quotes": 'a"b',
    "formula": '=HYPERLINK("http://evil.example","x")',
    "plus": "+1+1",
    "at": "@SUM(A1)",
    "tab": "\t=1",
    "bar": "a | b",
    "markup": "<b>[x](y)</b> *z*",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_names_in_tables_and_spreadsheets(tmp_path, case):
    value = HOSTILE[case]
    points = [Point(value, {"choice": value}, s, []) for s in (0, 1)]
    finished = [(p, {"test": {"nll": -0.5 - p.seed}, "note": value}) for p in points]
    text = write_results(tmp_path, points, finished, ["nll"])
    lines = text.splitlines()
    assert len(lines) == 3
    assert {line.replace("\\|", "").count("|") for line in lines} == {4}
    assert "<b>" not in text.replace("\\<", "")
    for name in ("results.csv", "summary.csv"):
        with (tmp_path / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == (2 if name == "results.csv" else 1)
        assert {row["choice"].removeprefix("'") for row in rows} == {value}
        for row in rows:
            texts = [
                cell for cell in row.values() if cell and not cell[1:].replace(".", "").isdigit()
            ]
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in texts)
    with (tmp_path / "results.csv").open(newline="") as file:
        assert [row["test.nll"] for row in csv.DictReader(file)] == ["-0.5", "-1.5"]


def test_nothing_but_zero_is_shown_as_zero():
    assert show(0.0004, 0.03) == "0.0004 ± 0.03"
    assert show(3e-7, 1e-8) == "3e-07 ± 1e-08"
    assert show(0.0, 0.03) == "0.000 ± 0.030"


def test_records_are_still_read(tmp_path):
    records = Records(tmp_path)
    point = Point("p", {}, None, ["--a", "--workdir=x"])
    records.write(point, exit_code=1, seconds=2.0)
    assert records.read(point) == {"arguments": ["--a"], "exit_code": 1, "seconds": 2.0}
    assert json.loads((tmp_path / "records" / "p.json").read_text())["exit_code"] == 1
