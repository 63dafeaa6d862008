"""What trackers are told of a run's configuration."""

from __future__ import annotations

import json
from typing import Any

from bnn.runs.folder import Identity


def flat_config(identity: Identity) -> dict[str, Any]:
    """The operative gin bindings, and what was given in Python, as flat JSON values."""
    flat: dict[str, Any] = {}
    name = ""
    for line in identity.config.splitlines():
        if line.startswith(" ") and name:  # a long value goes on below its name
            flat[name] = f"{flat[name]} {line.strip()}".strip()
            continue
        name, separator, value = line.partition(" = ")
        if separator and not line.startswith("#"):
            flat[name] = value.strip().removesuffix("\\")
        else:
            name = ""
    for name, described in identity.arguments.items():
        flat[f"run.{name}"] = described if isinstance(described, str) else json.dumps(described)
    return flat
