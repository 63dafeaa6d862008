"""The list of tests that take long names tests that there are."""

import ast
import pathlib
from types import SimpleNamespace

from tests.long_tests import SECONDS, listed, long_ones, mark

ROOT = pathlib.Path(__file__).parents[1]


def test_every_listed_test_exists():
    by_file = {}
    for node in listed():
        file, _, name = node.partition("::")
        by_file.setdefault(file, set()).add(name.partition("[")[0])
    assert len(by_file) > 20
    for file, names in by_file.items():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        assert names <= defined, f"{file}: {names - defined} are gone; make the list anew"


def test_the_list_is_made_of_calls_that_take_longer():
    table = [
        "============= slowest durations =============",
        f"{SECONDS + 0.01:.2f}s call     tests/test_a.py::test_b[c d-1]",
        f"{SECONDS - 0.01:.2f}s call     tests/test_a.py::test_quick",
        "99.00s setup    tests/test_a.py::test_of_a_shared_fixture",
        "tests/test_a.py::test_b PASSED",
    ]
    assert long_ones(table) == ["tests/test_a.py::test_b[c d-1]"]


def test_they_alone_are_marked():
    nodes = [min(listed()), "tests/test_house.py::test_that_nobody_listed"]
    items = [SimpleNamespace(nodeid=node, marks=[]) for node in nodes]
    for item in items:
        item.add_marker = item.marks.append
    mark(items)
    assert [item.marks for item in items] == [["long"], []]
