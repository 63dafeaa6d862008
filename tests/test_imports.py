"""Imports go one way: what stands above must not know what stands below it."""

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "bnn"

# A unit, that is a module or package directly under bnn, imports units of earlier rows only.
ROWS = [
    {"__main__", "compat", "described", "distributions", "formatting"},
    {"noise", "operators", "schedules"},
    {"posteriors", "priors", "likelihoods"},
    {"divergences", "estimators"},
    {"draw"},
    {"sites"},
    {"layers", "ledger", "weight_decay"},
    {"conversion", "models", "prediction"},
    {"objectives"},
    {"predictive"},
    {"training"},
    {"methods"},
    {"diagnostics"},
    {"keras_model"},
    {"evaluation"},
    {"runs"},
    {"experiment"},
    {"run", "apply", "report", "replay"},
]
# These import nothing of bnn, and only what runs an experiment imports them.
LEAVES = {"command_line", "data", "figures", "metrics", "tracking"}
# Augmentation is as random as everything else: a pure function of named coordinates.
LEAVES_MAY_IMPORT = {"data": {"noise"}}
IMPORTERS_OF_LEAVES = {
    "training",
    "methods",
    "diagnostics",
    "keras_model",
    "evaluation",
    "runs",
    "experiment",
    "run",
    "apply",
    "report",
    "replay",
}
# The public names; bnn.experiment and what it needs stay out of `import bnn`.
ROOT_MAY_IMPORT = set().union(*ROWS[: ROWS.index({"training"})]) | {"keras_model"}
OUTSIDE = {"experiments", "launch", "tests"}  # these import bnn
# Choosing the estimator belongs to the draw.
NEVER = {("layers", "estimators"), ("models", "estimators")}


def test_importing_bnn_does_not_import_tensorflow_probability():
    """Its import takes as long as compiling a training step, and most training needs none of it."""
    code = "import sys, bnn; print('tensorflow_probability' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_public_names_are_all_there_and_the_only_ones_shown():
    """Those that are imported later, too; a module is a name only where users need it."""
    import bnn

    assert dir(bnn) == sorted(bnn.__all__)
    for name in bnn.__all__:
        assert getattr(bnn, name) is not None, name
    assert callable(bnn.restore)
    with pytest.raises(AttributeError, match="module 'bnn' has no attribute 'inference'"):
        bnn.inference  # noqa: B018


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
        return {"formatting", *LEAVES_MAY_IMPORT.get(importer, set())}
    [row] = [i for i, units in enumerate(ROWS) if importer in units]
    units = set().union(*ROWS[:row]) - {name for unit, name in NEVER if unit == importer}
    return units | LEAVES if importer in IMPORTERS_OF_LEAVES else units


FILES = sorted(PACKAGE.rglob("*.py"))
UNITS = sorted({unit_of(path) for path in FILES} - {""})


def test_every_unit_has_its_place():
    known = LEAVES.union(*ROWS)
    assert set(UNITS) <= known, "new modules of bnn: say in this file where they stand"
    assert sum(map(len, ROWS)) + len(LEAVES) == len(known), "a unit stands in two places"


def violations(path):
    """What a file imports and must not: units below its own, and what imports bnn."""
    unit, found = unit_of(path), []
    for name in sorted(imports_of(path)):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        upward = top == "bnn" and unit and target != unit and target not in allowed(unit)
        if upward or top in OUTSIDE:
            found.append(f"{path.relative_to(PACKAGE)} must not import {name}")
    return found


def test_imports_go_one_way():
    found = [violation for path in FILES for violation in violations(path)]
    assert not found, "\n".join(found)


def test_the_public_package_imports_no_experiment():
    for name in imports_of(PACKAGE / "__init__.py"):
        top, _, rest = name.partition(".")
        if top == "bnn":
            assert rest.partition(".")[0] in ROOT_MAY_IMPORT, name


# Names that are no interface of Keras's or TensorFlow's; a change of version may take them away.
PRIVATE_MODULES = ("keras.src", "tensorflow.python", "tensorflow.core")
PRIVATE_NAMES = {
    "_all_reduce_sum_gradients",
    "_call_context",
    "_flatten_layers",
    "_flatten_modules",
    "_keras_history",
    "_keras_mask",
    "_layers",
    "_metrics",
    "_pfor_converter_registry",
    "_remat_mode",
    "_trainable_variables",
    "_use_weight_decay",
}


def private_interfaces(source):
    """Private modules that a source imports or names, and private attributes that it reads."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE_NAMES:
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and node.value in PRIVATE_NAMES:
            found.add(node.value)  # getattr(model, "_layers")
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            found |= {module for module in PRIVATE_MODULES if name == module}
    modules = imported_modules(source, "bnn")
    return found | {name for name in modules if name.startswith(PRIVATE_MODULES)}


def test_private_interfaces_stand_in_one_file():
    found = {
        str(path.relative_to(PACKAGE)): sorted(private_interfaces(path.read_text()))
        for path in FILES
        if path != PACKAGE / "compat.py"
    }
    found = {path: names for path, names in found.items() if names}
    assert not found, f"use bnn.compat, and what is missing there is to be added: {found}"


def test_private_interfaces_are_seen_in_every_form():
    source = """
from keras.src.backend.common import global_state
import tensorflow.python.ops.parallel_for.pfor as pfor
from tensorflow.python import pywrap_tfe
x = tf.python, keras.src.backend, model._flatten_layers(), getattr(layer, "_layers", None)
"""
    assert private_interfaces(source) == {
        "keras.src.backend.common.global_state",
        "tensorflow.python.ops.parallel_for.pfor",
        "tensorflow.python.pywrap_tfe",
        "keras.src",
        "_flatten_layers",
        "_layers",
    }
    assert private_interfaces("import keras\nself._draw(keras.layers.Dense)") == set()
    assert private_interfaces((PACKAGE / "compat.py").read_text())


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
    assert "methods" not in allowed("objectives")
    assert "methods" not in allowed("training")
    assert "experiment" not in allowed("runs")
    assert "runs" in allowed("experiment")
