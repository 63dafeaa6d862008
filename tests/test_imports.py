"""Imports go one way: what stands above must not know what stands below it."""

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "bnn"

# A unit, that is a module or package directly under bnn, imports units of earlier rows only.
ROWS = [
    {"distributions"},
    {"noise", "operators", "variables", "schedules"},
    {"posteriors", "priors", "likelihoods"},
    {"estimators"},
    {"draw"},
    {"layers"},
    {"models", "kl", "prediction"},
    {"objectives", "predictive"},
    {"diagnostics"},
    {"inference"},
    {"run_figures", "run_predictions", "run_results"},
    {"session"},
    {"experiment"},
    {"restore", "step_replay"},
    {"run", "report", "replay"},
]
# These import nothing of bnn, and only what runs an experiment imports them.
LEAVES = {
    "command_line",
    "configuration",
    "data",
    "figures",
    "gin_externals",
    "metrics",
    "predictions",
    "provenance",
    "tracking",
    "training",
}
IMPORTERS_OF_LEAVES = {
    "inference",
    "run_figures",
    "run_predictions",
    "run_results",
    "session",
    "experiment",
    "restore",
    "run",
    "report",
    "step_replay",
    "replay",
}
# The public names; bnn.experiment and what it needs stay out of `import bnn`.
ROOT_MAY_IMPORT = set().union(*ROWS[:9])
OUTSIDE = {"experiments", "launch", "tests"}  # these import bnn
# Choosing the estimator belongs to the draw.
NEVER = {("layers", "estimators"), ("models", "estimators")}


def test_importing_bnn_does_not_import_tensorflow_probability():
    """Its import takes as long as compiling a training step, and most training needs none of it."""
    code = "import sys, bnn; print('tensorflow_probability' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def imported_modules(source, module, is_package=False):
    """Dotted names of everything that the source of `module` imports, wherever it stands in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base] if base else parts)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def imports_of(path):
    parts = ["bnn", *path.relative_to(PACKAGE).with_suffix("").parts]
    is_package = parts[-1] == "__init__"
    if is_package:
        parts = parts[:-1]
    return imported_modules(path.read_text(), ".".join(parts), is_package)


def unit_of(path):
    """The unit a file belongs to; "" for bnn/__init__.py."""
    name = path.relative_to(PACKAGE).parts[0]
    return "" if name == "__init__.py" else name.removesuffix(".py")


def allowed(importer):
    """The units that a unit may import."""
    if importer in LEAVES:
        return set()
    [row] = [i for i, units in enumerate(ROWS) if importer in units]
    units = set().union(*ROWS[:row]) - {name for unit, name in NEVER if unit == importer}
    return units | LEAVES if importer in IMPORTERS_OF_LEAVES else units


FILES = sorted(PACKAGE.rglob("*.py"))
UNITS = sorted({unit_of(path) for path in FILES} - {""})


def test_every_unit_has_its_place():
    known = LEAVES.union(*ROWS)
    assert set(UNITS) <= known, "new modules of bnn: say in this file where they stand"
    assert sum(map(len, ROWS)) + len(LEAVES) == len(known), "a unit stands in two places"


@pytest.mark.parametrize("unit", UNITS)
def test_imports_go_one_way(unit):
    for path in FILES:
        if unit_of(path) != unit:
            continue
        for name in imports_of(path):
            top, _, rest = name.partition(".")
            if top != "bnn":
                continue
            target = rest.partition(".")[0]
            assert target == unit or target in allowed(unit), f"{path} must not import {name}"


def test_the_public_package_imports_no_experiment():
    for name in imports_of(PACKAGE / "__init__.py"):
        top, _, rest = name.partition(".")
        if top == "bnn":
            assert rest.partition(".")[0] in ROOT_MAY_IMPORT, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_experiments_or_launchers(path):
    assert not {name.partition(".")[0] for name in imports_of(path)} & OUTSIDE


SOURCE = """
import os, bnn.noise
from bnn import operators, Draw
from bnn.estimators.mean import Mean
from . import sibling
from .. import kl
from ..draw import Site

def late():
    from launch import slurm
    if TYPE_CHECKING:
        import experiments.study
"""


def test_the_parser_sees_every_form_of_import():
    assert imported_modules(SOURCE, "bnn.layers.dense") == {
        "os",
        "bnn.noise",
        "bnn.operators",
        "bnn.Draw",
        "bnn.estimators.mean.Mean",
        "bnn.layers.sibling",
        "bnn.kl",
        "bnn.draw.Site",
        "launch.slurm",
        "experiments.study",
    }


def test_the_parser_resolves_relative_imports_of_a_package():
    assert imported_modules("from .dense import Dense", "bnn.layers", is_package=True) == {
        "bnn.layers.dense.Dense"
    }


def test_the_rules_forbid_the_known_temptations():
    assert "draw" not in allowed("estimators")
    assert "layers" not in allowed("estimators")
    assert "estimators" not in allowed("layers")
    assert "priors" not in allowed("posteriors")
    assert "metrics" not in allowed("objectives")
    assert "inference" not in allowed("objectives")
    assert "objectives" not in allowed("training")
    assert "training" in allowed("experiment")
