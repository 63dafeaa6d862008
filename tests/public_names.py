"""The public names, and the parameters of what can be called: `python -m tests.public_names`.

Gin files bind parameters by name, so that one that vanishes breaks them as much as a name does.
"""

import contextlib
import importlib
import inspect
import pathlib
import types

FILE = pathlib.Path(__file__).with_suffix(".txt")
HEAD = "# Public names and their parameters. `python -m tests.public_names` writes this file.\n"


def parameters(value):
    """Names of a callable's parameters; none where Python knows of none.

    Of a class those of `__init__`, too: early patches of Python 3.11 ask Keras's `__new__` alone.
    """
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = set()
    for each in (value, value.__init__) if inspect.isclass(value) else (value,):
        with contextlib.suppress(TypeError, ValueError):
            found = inspect.signature(each).parameters.values()
            names |= {one.name for one in found if one.kind not in variable}
    return {name for name in names - {"self"} if not name.startswith("_")}


def public_names():
    """Names, dotted, of `bnn` and of its public modules, with their parameters."""
    import bnn

    names = {}
    for name in bnn.__all__:
        value = getattr(bnn, name)
        names[f"bnn.{name}"] = set() if isinstance(value, types.ModuleType) else parameters(value)
        if isinstance(value, types.ModuleType):
            module = importlib.import_module(value.__name__)
            for inner in getattr(module, "__all__", ()):
                names[f"bnn.{name}.{inner}"] = parameters(getattr(module, inner))
    return names


def lines(names):
    return [f"{name}({' '.join(sorted(names[name]))})" for name in sorted(names)]


def recorded():
    """What the file holds."""
    names = {}
    for line in FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, inside = line.rstrip(")").partition("(")
            names[name] = set(inside.split())
    return names


def vanished(before, now):
    """What was public and is no more: names, and parameters as `name(parameter)`."""
    gone = [name for name in before if name not in now]
    return gone + [
        f"{name}({parameter})"
        for name in before
        if name in now
        for parameter in sorted(before[name] - now[name])
    ]


if __name__ == "__main__":
    FILE.write_text(HEAD + "\n".join(lines(public_names())) + "\n")
