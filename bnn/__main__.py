"""Lists the commands: `python -m bnn`.

Each is described by the first line of its own source, which is read and not imported: the list is
there at once, and `--help` of each says the rest.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

COMMANDS = (
    "bnn.run",
    "bnn.apply",
    "bnn.report",
    "bnn.replay",
    "launch.local",
    "launch.slurm",
    "launch.sweep",
    "launch.tune",
)


def source_of(module: str) -> Path:
    """The file that `python -m module` runs.

    Raises:
      ModuleNotFoundError: there is none.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {module!r}", name=module)
    path = Path(spec.origin)
    return path.with_name("__main__.py") if path.name == "__init__.py" else path


def listing() -> str:
    """A line for every command, and how to go on."""
    width = max(map(len, COMMANDS))
    lines = []
    for module in COMMANDS:
        text = ast.get_docstring(ast.parse(source_of(module).read_text(encoding="utf-8"))) or ""
        lines.append(f"  python -m {module:{width}}  {text.partition(chr(10))[0]}")
    return "\n".join(
        [
            "Bayesian neural networks on TensorFlow and Keras 3. The commands:",
            *lines,
            "Each has --help. To begin with, on data that need no download:",
            "  python -m bnn.run --gin_file=gin_configs/digits.gin --workdir=runs/digits",
        ]
    )


if __name__ == "__main__":
    print(listing())
