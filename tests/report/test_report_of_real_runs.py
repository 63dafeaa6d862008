"""Reports of runs that were trained, and the command that makes them."""

import subprocess
import sys
from pathlib import Path

import gin
import numpy as np
import pytest

from bnn import experiment
from bnn.report import build_report
from bnn.report.command import write
from bnn.runs.configuration import parse as _parse
from tests.report.pages import Page, table_below

CONFIGS = Path(__file__).parents[2] / "gin_configs"


def real_run(workdir, file, *bindings):
    gin.clear_config()
    common = ["run.tracker = None", "run.num_predict_samples = 4", "run.jit_compile = False"]
    _parse([str(CONFIGS / file)], [*common, *bindings])
    experiment.run(workdir=workdir)
    return workdir


def write_sine(folder):
    """60 rows of one feature and a target, in two splits."""
    random = np.random.RandomState(0)
    folder.mkdir(parents=True)
    x = random.uniform(-3, 3, 60)
    np.savetxt(folder / "data.txt", np.stack([x, 50 + 9 * np.sin(x)], axis=1))
    for name, value in (("features", 0), ("target", 1)):
        (folder / f"index_{name}.txt").write_text(f"{value}\n")
    (folder / "n_splits.txt").write_text("2\n")
    for split in range(2):
        order = random.permutation(60)
        np.savetxt(folder / f"index_train_{split}.txt", order[:45], fmt="%d")
        np.savetxt(folder / f"index_test_{split}.txt", order[45:], fmt="%d")


def test_a_report_of_real_runs(tmp_path, monkeypatch, cheap_runs, clean_gin):
    """Digits with two estimators, and a curve over two splits, trained for a few steps."""
    write_sine(tmp_path / "data" / "uci" / "sine")
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "data"))
    small = ["run.epochs = 0.2", "run.report_every = 0.1", "mlp.hidden = (8,)"]
    for estimator in ("Flipout", "Reparameterization"):
        choice = f"VariationalInference.estimator = @{estimator}()"
        real_run(tmp_path / "runs" / f"digits-{estimator}", "digits.gin", choice, *small)
    for split in (0, 1):
        choices = ["uci.name = 'sine'", f"uci.split = {split}", "run.epochs = 2"]
        real_run(tmp_path / "runs" / f"sine-{split}", "uci.gin", *choices)
    build_report([tmp_path / "runs"], tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    rows = table_below(markdown, "## digits")
    assert [(row["model"], row["runs"]) for row in rows] == [
        ("estimator=Flipout", "1 run"),
        ("estimator=Reparameterization", "1 run"),
    ]
    assert {row["weight samples S"] for row in rows} == {"4"}
    [sine] = table_below(markdown, "## sine")
    assert sine["runs"] == "2 splits"
    assert "±" in sine["RMSE"]
    compared = table_below(markdown, "### Paired comparisons")
    assert [row["metric"] for row in compared] == ["NLL, nats", "error, %", "Brier"]
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    assert any(name.startswith("sine") and "predictions" in name for name in names)
    assert any(name.startswith("sine") and "quantiles" in name for name in names)


def test_what_the_command_prints(write_run, tmp_path, capsys, no_figures):
    assert write([write_run("a")], tmp_path / "out", title="Mine") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'report.html'}\n"
    assert (tmp_path / "out" / "report.md").read_text().startswith("# Mine\n")
    assert write([tmp_path / "nothing"], tmp_path / "new") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {tmp_path / 'nothing'} does not exist; name a run's")
    assert not (tmp_path / "new").exists()
    assert write([], tmp_path / "new") == 1
    assert "name at least one run or sweep: python -m bnn.report RUN" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        write([tmp_path / "nothing"], tmp_path / "new", traceback=True)


@pytest.mark.slow
def test_the_command_in_a_process_of_its_own(write_run, tmp_path):
    (write_run("sweep/half", seed=1) / "results.json").unlink()
    write_run("sweep/a")
    command = [sys.executable, "-m", "bnn.report", tmp_path / "sweep", "--skip_unfinished"]
    done = subprocess.run(
        [*map(str, command), f"--output={tmp_path / 'out'}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'out' / 'report.html'}\n"
    Page((tmp_path / "out" / "report.html").read_text())
