"""What a report calls its models, and how many functions it says they have."""

import json

from bnn.report import build_report
from bnn.report.groups import group_runs
from bnn.report.runs import read_run
from tests.report.pages import table_below


def named_by_a_sweep(folder, names):
    rows = [{"name": folder.name, "choices": {"name": name}} for folder, name in names.items()]
    (folder.parent / "sweep.json").write_text(json.dumps(rows))


def test_a_sweeps_names_stay_beside_runs_without(write_run):
    """Of two sweeps one names its choices, the other is told apart by bindings."""
    folders = [
        write_run("first/one", estimator="Flipout"),
        write_run("first/two", estimator="Mean"),
        write_run("second/one", estimator="Flipout", split=0, kl_weight=0.1),
        write_run("second/two", estimator="Reparameterization", kl_weight=0.1),
    ]
    names = {folders[0]: "with signs", folders[1]: "points"}
    named_by_a_sweep(folders[0], names)
    [groups] = group_runs(read_run(folder) for folder in folders).values()
    assert [group.name for group in groups] == [
        "with signs",
        "points",
        "estimator=Flipout",
        "estimator=Reparameterization",
    ]


def test_names_that_two_sweeps_share_are_not_taken(write_run):
    folders = [
        write_run("first/one", estimator="Flipout"),
        write_run("second/one", estimator="Mean"),
    ]
    for folder in folders:
        named_by_a_sweep(folder, {folder: "the model"})
    [groups] = group_runs(read_run(folder) for folder in folders).values()
    assert [group.name for group in groups] == ["estimator=Flipout", "estimator=Mean"]


def test_tables_have_the_functions_that_there_were(write_run, tmp_path, no_figures):
    """An ensemble of four that was asked for six has four."""
    few = write_run("few", estimator="Mean", changes={"num_functions": 4})
    all_of_them = write_run("all", estimator="Flipout")
    assert [read_run(folder).num_functions for folder in (few, all_of_them)] == [4, 6]
    build_report([few, all_of_them], tmp_path / "report")
    rows = table_below((tmp_path / "report" / "report.md").read_text(), "### Quality")
    assert [row["weight samples S"] for row in rows] == ["4", "6"]
