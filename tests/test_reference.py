"""The reference of the site shows the functions that it names, not modules of the same name."""

import importlib
import importlib.util
import inspect
import pathlib
import re

import pytest

PAGES = pathlib.Path(__file__).parents[1] / "docs" / "pages" / "api"
NAMES = sorted(path.name for path in PAGES.glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_has_what_a_module_of_its_name_hides(name):
    """To MkDocs, which reads sources, `bnn.models.mlp` is a module: its function is one below."""
    listed = re.findall(r"^::: ([\w.]+)$", (PAGES / name).read_text(), re.MULTILINE)
    packages = [dotted for dotted in listed if is_module(dotted)]
    for dotted in packages:
        assert inspect.ismodule(value_of(dotted)), (
            f"{name}: {dotted} shows the module, not the function"
        )
    public = {
        f"{p}.{n}" for p in packages for n in getattr(importlib.import_module(p), "__all__", ())
    }
    hidden = {d for d in public if is_module(d) and not inspect.ismodule(value_of(d))}
    shown = {dotted.rpartition(".")[0] for dotted in listed}
    assert hidden - shown == set(), f"{name} lacks them"


def is_module(dotted):
    """Whether a file has this dotted name."""
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:
        return False


def value_of(dotted):
    """What a package has under a name."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)
