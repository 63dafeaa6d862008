"""What a checkpoint holds, held against what a run needs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_OWN = {"step", "best", "about"}


class CheckpointMismatchError(ValueError):
    """The checkpoint is of another model, configuration or noise layout."""


def read(path: Path) -> dict[str, Any]:
    """All values of a checkpoint by name, `"model/0"`.

    Reads, and so verifies the checksum of, everything: a damaged one raises `tf.errors.OpError`
    before it has changed a variable.
    """
    try:
        reader = tf.train.load_checkpoint(str(path))
        everything = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (RuntimeError, ValueError, IndexError) as error:  # the reader's own, of short files
        raise tf.errors.DataLossError(None, None, str(error)) from error
    return {
        name.removesuffix(_SUFFIX): value
        for name, value in everything.items()
        if name.endswith(_SUFFIX)
    }


def require_same_about(path: Path, contents: Mapping[str, Any], about: Mapping[str, str]) -> None:
    """Raises CheckpointMismatchError, with the difference, for a checkpoint of another run."""
    held = json.loads(contents["about"]) if "about" in contents else {}
    for name, wanted in about.items():
        if held.get(name) == wanted:
            continue
        difference = "\n".join(
            difflib.unified_diff(
                str(held.get(name)).splitlines(),
                wanted.splitlines(),
                "in the checkpoint",
                "asked for",
                "",
                "",
                0,
                "",
            )
        )
        raise CheckpointMismatchError(
            f"checkpoint {path} is of another run: its {name} differs. Name a new folder with "
            f"--workdir, or go back to what the checkpoint has. The difference:\n{difference}"
        )


def require_same_shapes(
    path: Path, contents: Mapping[str, Any], expected: Mapping[str, tuple[str, tuple]]
) -> None:
    """Raises CheckpointMismatchError, with a line per variable, for one of another model."""
    held = {
        name: tuple(np.shape(value))
        for name, value in contents.items()
        if name.partition("/")[0] not in _OWN
    }
    lines = []
    for name in sorted(held.keys() | expected.keys()):
        label, shape = expected.get(name, ("", None))
        if held.get(name) != shape:
            has = held.get(name, "nothing")
            lines.append(f"  {name} {label}: the checkpoint has {has}, the model needs {shape}")
    if lines:
        raise CheckpointMismatchError(
            f"checkpoint {path} is of another model; name a new folder with --workdir, or build "
            "the model it was saved from. The difference in variables:\n" + "\n".join(lines)
        )
