"""The harness under all studies, and what all of them keep to."""

import argparse
import ast
import dataclasses
import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from experiments import records, study

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "experiments"
FILES = sorted(STUDIES.rglob("*.py"))


# --- What all studies keep to -----------------------------------------------------------------


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source):
    """Modules and names that a source imports, wherever it stands in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def circles(graph):
    """The modules that import themselves by way of others."""
    reached = {name: set(others) for name, others in graph.items()}
    for _ in graph:
        for name in reached:
            reached[name] |= set().union(*(reached[other] for other in reached[name]))
    return sorted(name for name in reached if name in reached[name])


def test_a_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]


def test_no_study_imports_in_a_circle():
    names = {module_of(path) for path in FILES}
    graph = {}
    for path in FILES:
        # A module imports its packages, too.
        wanted = {part for name in imports_of(path.read_text()) for part in packages(name)}
        graph[module_of(path)] = (wanted & names) - set(packages(module_of(path)))
    assert len(graph) > 60
    assert circles(graph) == []


def packages(name):
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def test_packages_hold_no_code():
    """So that a module may import its siblings without a circle through the package."""
    for path in FILES:
        if path.name == "__init__.py" and path.parent.name != "peers":
            assert len(ast.parse(path.read_text()).body) == 1, path


def test_studies_import_no_tests_and_tests_no_studies():
    for path in FILES:
        assert not any(name.split(".")[0] == "tests" for name in imports_of(path.read_text()))
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.parent != Path(__file__).parent:
            names = imports_of(path.read_text())
            assert not any(name.split(".")[0] == "experiments" for name in names), path


def test_the_studies_stay_short():
    lines = {path: path.read_text().count("\n") for path in FILES}
    assert sum(lines.values()) <= 1000 * len(list(STUDIES.glob("*/run.py")))
    assert max(lines.values()) <= 350


# --- Options ----------------------------------------------------------------------------------


def parse(*arguments, fast=True, root=Path("runs/study")):
    parser = study.study_parser("What it does.\n\nMore.", Path("experiments/x"), root, fast)
    return study.parse_options(parser, list(arguments))


def test_shared_options(monkeypatch):
    monkeypatch.setenv("BNN_DATA_DIR", "before")
    options = parse("--data_dir=sets", "--workers=3", "--report")
    assert os.environ["BNN_DATA_DIR"] == "sets"
    assert (options.workers, options.report, options.fast) == (3, True, False)
    assert options.root == Path("runs/study").resolve()
    assert parse("--fast", "--output=a", "--root=b").fast


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fast"], "--fast needs --output and --root: its numbers must not replace the study's."),
        (["--fast", "--output=a"], "--fast needs --output and --root"),
        (["--workers=0"], "argument --workers: must be at least 1, got 0"),
        (["--workers=two"], "argument --workers: must be at least 1, got two"),
    ],
)
def test_options_that_do_not_fit(arguments, message, capsys):
    with pytest.raises(SystemExit):
        parse(*arguments)
    assert message in capsys.readouterr().err


def test_a_study_without_runs_needs_an_output_alone(capsys):
    with pytest.raises(SystemExit):
        parse("--fast", root=None)
    assert "--fast needs --output: its" in capsys.readouterr().err


def test_seeds_and_names():
    assert study.parse_seeds("0,2,1") == (0, 2, 1)
    for text in ("", "a", "1,1"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"must be different integers .*0,1,2"):
            study.parse_seeds(text)
    assert study.names_of(("a", "b", "c"))("c, a") == ["a", "c"]
    with pytest.raises(argparse.ArgumentTypeError, match="with commas of a, b, got 'x'"):
        study.names_of(("a", "b"))("a,x")


# --- Workers ----------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_items(capsys):
    def say(item, result):
        return f"{item}: {result}" if item != 2 else None

    assert study.run_all(lambda x: x * x, (3, 2, 1), 2, say) == [9, 4, 1]
    assert sorted(capsys.readouterr().out.splitlines()) == ["1: 1", "3: 9"]


def test_after_a_failure_nothing_new_begins():
    begun = []

    def call(item):
        begun.append(item)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        study.run_all(call, range(50), 1)
    assert len(begun) < 50


def process_and_threads(item):
    return item, os.getpid(), os.environ["OMP_NUM_THREADS"]


def end_at_once(item):
    os._exit(item)


@pytest.mark.slow
def test_every_call_has_a_process_of_its_own_on_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = study.run_all(study.apart(process_and_threads), (5, 6, 7), 2)
    assert [item for item, _, _ in found] == [5, 6, 7]
    assert len({pid for _, pid, _ in found} | {os.getpid()}) == 4
    assert {threads for _, _, threads in found} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    with pytest.raises(BrokenProcessPool):
        study.apart(end_at_once)(3)


# --- Records ----------------------------------------------------------------------------------


def test_what_is_recorded_is_not_made_again(tmp_path):
    path, calls = tmp_path / "a.json", []

    def make():
        calls.append(1)
        return {"value": 0.5}

    asked = {"samples": 3, "sizes": [1, 2]}
    assert records.held_record(path, asked) is None
    for _ in range(2):
        assert records.recorded(path, asked, make) == {"asked": asked, "value": 0.5}
    assert len(calls) == 1
    message = r"a\.json was made with other settings \(samples 3 there, 4 asked\); name another"
    with pytest.raises(ValueError, match=message):
        records.recorded(path, asked | {"samples": 4}, make)


@dataclasses.dataclass(frozen=True)
class Row:
    name: "str"
    count: "int"
    value: "float"
    other: "float | None"


def test_rows_come_back_as_they_went(tmp_path):
    rows = [Row("a, b", 3, 0.125, None), Row("c", -1, 1e-9, 2.5)]
    path = tmp_path / "rows.csv"
    assert records.read_rows(path, Row) == []
    records.replace_rows(path, rows, lambda row: False)
    assert records.read_rows(path, Row) == rows
    records.replace_rows(path, [Row("c", 0, 1.0, None)], lambda row: row.name == "c")
    assert [row.count for row in records.read_rows(path, Row)] == [3, 0]


def test_csv_has_the_columns_and_digits_asked_for():
    rows = [{"a": 1 / 3, "b": 2, "c": "x"}, {"b": 4, "a": None}]
    assert records.csv_text(rows, ("b", "a"), digits=3) == "b,a\n2,0.333\n4,\n"
    assert records.csv_text(rows[:1]) == f"a,b,c\n{1 / 3},2,x\n"


def test_provenance_names_every_date_and_revision_once():
    one = {"date": "2026-01-02 03:04", "git_revision": "b" * 40}
    several = {"date": ["2026-01-01", "2026-01-02"], "git_revision": ["a" * 12, "b" * 40]}
    assert records.made([one, several, one]) == (
        "2026-01-01, 2026-01-02, revision aaaaaaaaaaaa, bbbbbbbbbbbb"
    )
    stamp = records.stamp()
    assert records.built_with(stamp).startswith(f"Python {stamp['versions']['python']}, TensorFlow")
    assert records.made([stamp]).endswith(stamp["git_revision"][:12])
    assert records.listed({"a": 1, "b": "2"}) == "a 1, b 2"


# --- Tables -----------------------------------------------------------------------------------


def test_tables():
    rows = [["x|y", "1"], ["z", "2"]]
    assert study.markdown(["a", "b"], rows, 1) == (
        "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n| z | 2 |\n"
    )
    assert study.markdown(["a", "b"], []) == "| a | b |\n| --- | --- |\n"
    assert study.markdown(["a", "b"], [], [True, False], compact=True) == (
        "| a | b |\n|---:|---|\n"
    )


def test_means_have_errors_where_there_are_several():
    assert study.mean_error([1.0, 3.0], 2) == "2.00 ± 1.00"
    assert study.mean_error([1.0], 2) == "1.00"
    assert study.samples_shown(1) == "1 (fixed weights)"
    assert study.minus("-1 - 2") == "−1 − 2"


def test_parts_are_written_between_their_markers(tmp_path):
    readme = tmp_path / "README.md"
    text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb <!-- y --><!-- end of y -->"
    readme.write_text(text)
    study.write_readme(readme, {"x": "new\n", "y": "\\1"}, tmp_path / "copy")
    assert readme.read_text() == text
    assert (tmp_path / "copy" / "README.md").read_text() == (
        "a\n<!-- x -->\nnew\n<!-- end of x -->\nb <!-- y -->\n\\1<!-- end of y -->"
    )
    with pytest.raises(ValueError, match=r"README\.md must hold <!-- z --> and <!-- end of z -->"):
        study.write_readme(readme, {"z": ""}, tmp_path)
