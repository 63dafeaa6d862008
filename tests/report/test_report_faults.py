"""What is damaged, foreign or hostile costs only itself, and is named."""

import json
import re

import numpy as np
import pytest

from bnn.report import build_report, sections
from bnn.report.groups import group_runs
from bnn.report.runs import read_runs
from bnn.runs.prediction_file import Predictions, load_predictions


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(sections, "joint_figures", lambda *args: [])
    monkeypatch.setattr(sections, "group_figures", lambda *args: [])


def report(folders, output, **options):
    """The Markdown, and the lines that were said."""
    said = []
    build_report(folders, output, say=said.append, **options)
    return (output / "report.md").read_text(), said


def test_copies_of_a_configuration_inside_of_a_run_are_no_runs(write_run, tmp_path):
    folder = write_run("sweep/a")
    copy = folder / "wandb" / "offline-run-1" / "files"
    copy.mkdir(parents=True)
    (copy / "config.gin").write_text("")
    beside = tmp_path / "sweep" / "wandb" / "run-2" / "files"  # where WANDB_DIR is the sweep's
    beside.mkdir(parents=True)
    (beside / "config.gin").write_text("")
    hidden = tmp_path / "sweep" / ".trash" / "b"
    hidden.mkdir(parents=True)
    (hidden / "config.gin").write_text("")
    assert [run.path for run in read_runs([tmp_path / "sweep"]).runs] == [folder]


RESULTS = {
    "not JSON": ("{", "is not JSON (", "run the experiment again."),
    "too deep": ("[" * 100_000, "is not JSON (", "run the experiment again."),
    "a list": ("[1]", "must hold an object, got [1]", "run the experiment again."),
    "a word for a number": (
        {"num_predict_samples": "many"},
        "num_predict_samples must be a number of at least 0, got 'many'",
        "run the experiment again.",
    ),
    "numbers for metrics": ({"test": 5}, "test must be numbers by name, got 5", "again."),
    "a word in metrics": ({"test": {"nll": "x"}}, "test must be numbers by name, got {", "again."),
    "no name": ({"data": ""}, "data must be text, got ''", "again."),
}


@pytest.mark.parametrize("case", RESULTS)
def test_damaged_results_leave_one_run_out(write_run, tmp_path, no_figures, case):
    content, fault, remedy = RESULTS[case]
    folders = [write_run("a"), write_run("b", seed=1)]
    file = folders[1] / "results.json"
    if isinstance(content, dict):
        content = json.dumps({**json.loads(file.read_text()), **content})
    file.write_text(content)
    text, said = report(folders, tmp_path / "out")
    [line] = [line for line in said if str(file) in line]
    assert line.startswith(str(file))
    assert fault in line
    assert line.endswith(remedy)
    assert "\n" not in line
    assert "1 finished run." in text
    assert "Left out, with the reason:" in text


def test_parts_of_the_results_that_nobody_needs_are_left_out(write_run, tmp_path, no_figures):
    changes = {"seconds": ["x"], "ledger": {"sites": [3]}, "versions": 7, "date": None}
    text, said = report([write_run("a", changes=changes)], tmp_path / "out")
    assert "## Origin" in text
    assert [re.search(r"json: (\w+) must be", line)[1] for line in said] == [
        "seconds",
        "versions",
        "ledger",
    ]
    assert said[0].endswith("seconds must be numbers by name, got ['x']; it is left out.")


def test_a_configuration_that_is_no_text(write_run, tmp_path, no_figures):
    folders = [write_run("a"), write_run("b", seed=1)]
    (folders[1] / "config.gin").write_bytes(b"\xff\xfe")
    _, [line] = report(folders, tmp_path / "out")
    assert line.startswith(f"{folders[1] / 'config.gin'} cannot be read (")


METRICS = {
    "cut off within": ('{"step": 1}\n{"ste\n{"step": 3}\n', "line 2 must be a JSON object"),
    "not text": (b"\xff\xff\n\xff\n", "line 1 must be a JSON object"),
    "words": ('{"step": 1, "nll": "abc"}\n{"step": 2, "nll": 0.5}\n', "nll must be numbers"),
    "lists": ('{"step": 1, "nll": [1]}\n{"step": 2, "nll": 0.5}\n', "nll must be numbers"),
}


@pytest.mark.parametrize("case", METRICS)
def test_damaged_metrics(write_run, tmp_path, case):
    content, fault = METRICS[case]
    folder = write_run("a")
    file = folder / "metrics.jsonl"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    text, said = report([folder], tmp_path / "out")
    [line] = [line for line in said if str(file) in line]
    assert fault in line
    assert "left out" in line
    assert "### Quality" in text


def rewritten(path, **changes):
    Predictions(**{**vars(load_predictions(path)), **changes}).save(path)


PREDICTIONS = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "another task": lambda path: rewritten(path, task="regression"),
    "no probabilities": lambda path: rewritten(path, log_probs=np.zeros((6, 60, 3))),
    "no error": lambda path: rewritten(path, losses={"nll": np.ones(60)}),
}


@pytest.mark.parametrize("case", PREDICTIONS)
def test_damaged_predictions(write_run, tmp_path, case):
    folders = [write_run("a"), write_run("b", estimator="Mean", out_of_distribution=["letters"])]
    PREDICTIONS[case](folders[0] / "predictions" / "test.npz")
    text, said = report(folders, tmp_path / "out")
    assert "### Quality" in text
    assert "### Out of distribution" in text  # of the other run
    assert all("\n" not in line for line in said)
    if case != "a folder":
        assert any(str(folders[0]) in line and "left out" in line for line in said), said


def test_damaged_predictions_of_another_set(write_run, tmp_path, no_figures):
    folder = write_run("a", out_of_distribution=["letters", "signs"])
    (folder / "predictions" / "out_of_distribution" / "signs.npz").write_bytes(b"PK")
    text, [line] = report([folder], tmp_path / "out")
    assert "signs.npz is no readable file of predictions (" in line
    assert "run the experiment again in a new folder to have it written anew" in line
    assert "| letters |" in text


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/a.png)",
    "a | b | c",
    "`code` *bold* __bold__ ~~gone~~",
    "</table><script>alert(1)</script>",
    "x\n\n# Heading\n\n- item",
    "https://evil.example www.evil.example",
    "&lt;b&gt; $x$",
    "right \u202e left",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are(write_run, tmp_path, no_figures, name):
    """Read by CommonMark's rules, the page has the blocks and the tables of an honest name."""
    changes = {"data": name, "posterior": name, "estimator": name, "git_revision": name}
    folders = [
        write_run("a", changes=changes),
        write_run("b", estimator="Other", changes=changes),
    ]
    text, _ = report(folders, tmp_path / "out", title=name)
    honest, _ = report([write_run("c"), write_run("d", estimator="Other")], tmp_path / "honest")
    outside = re.sub(r"`[^`\n]*`", "", text)
    assert not re.search(r"(?<!\\)[<>\[\]]", outside)
    assert not re.search(r"(?<!\\)(https?|www)[:.]", outside)
    assert "\u202e" not in text
    for start in ("#", "-", "|"):
        count = [sum(li.startswith(start) for li in t.splitlines()) for t in (text, honest)]
        assert count[0] == count[1], start
    columns = {len(re.findall(r"(?<!\\)\|", li)) for li in text.splitlines() if li[:1] == "|"}
    assert columns == {
        len(re.findall(r"(?<!\\)\|", li)) for li in honest.splitlines() if li[:1] == "|"
    }
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "<img" not in page


def test_folders_whose_names_are_no_text(write_run, tmp_path, no_figures, capfd):
    from bnn.report.command import write

    folder = write_run("a\udcff b[c]~é")
    (folder / "metrics.jsonl").write_text("{\n{\n")
    output = tmp_path / "out\udcfe"
    assert write([str(folder)], str(output)) == 0
    assert "| a\ufffd b\\[c\\]\\~é |" in (output / "report.md").read_text()
    assert "out?" in capfd.readouterr().out


def test_models_whose_names_give_the_same_file_name(write_run, tmp_path):
    folders = [write_run("a", estimator="A_b"), write_run("b", estimator="A.b" + "x" * 300)]
    folders.append(write_run("c", estimator="A-b"))
    text, said = report(folders, tmp_path / "out")
    assert said == []
    files = re.findall(r"\(figures/(.*?)\)", text)
    assert len(files) == len(set(files)) == len(list((tmp_path / "out" / "figures").iterdir()))
    assert max(map(len, files)) < 120


def test_the_estimator_is_read_where_either_version_binds_it(write_run):
    old, new = write_run("a"), write_run("b", seed=1)
    file = new / "config.gin"
    text = file.read_text().replace("run.estimator = ", "method/VariationalInference.estimator = ")
    file.write_text(text)
    results = json.loads((new / "results.json").read_text())
    del results["estimator"]
    (new / "results.json").write_text(json.dumps(results))
    runs = read_runs([old, new]).runs
    assert [run.estimator for run in runs] == ["Flipout", "Flipout"]
    [group] = group_runs(runs)["toy"]
    assert len(group.runs) == 2
