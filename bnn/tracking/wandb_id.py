"""The id under which W&B knows a run, kept in the run's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from absl import logging

ID_FILENAME = "wandb.json"


def read_id(workdir: Path) -> str | None:
    """Returns the id of the workdir's W&B run, or None if there is none that can be read."""
    path = workdir / ID_FILENAME
    try:
        return str(json.loads(path.read_text())["id"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logging.warning("%s is not readable (%s); a new W&B run is started.", path, error)
        return None


def write_id(workdir: Path, run_id: str) -> None:
    """Keeps the id, whole or not at all."""
    beside = workdir / f"{ID_FILENAME}.tmp"
    beside.write_text(json.dumps({"id": run_id}) + "\n")
    os.replace(beside, workdir / ID_FILENAME)
