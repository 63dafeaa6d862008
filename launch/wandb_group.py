"""The variables by which W&B shows the runs of a sweep as one group."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def group_variables(root: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Group and job type of the runs below `root`; what the user has set stays."""
    defaults = {"WANDB_RUN_GROUP": root.resolve().name, "WANDB_JOB_TYPE": "sweep"}
    return {name: environment.get(name, value) for name, value in defaults.items()}
