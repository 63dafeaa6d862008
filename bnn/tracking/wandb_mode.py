"""Where W&B records go, as a pure function of the configuration and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Mode = Literal["online", "offline", "disabled"]
_MODES: dict[str, Mode] = {
    "online": "online",
    "offline": "offline",
    "disabled": "disabled",
    "run": "online",  # what wandb itself once called them
    "dryrun": "offline",
}


def resolve_mode(mode: str | None, environ: Mapping[str, str]) -> Mode:
    """Returns "online", "offline" or "disabled".

    The first of these decides: the argument `mode`, the variable WANDB_MODE, and otherwise
    "online" if WANDB_API_KEY is set and "offline" if it is not.

    Raises:
        ValueError: If `mode` or WANDB_MODE is none of the three.
    """
    if mode is not None:
        return _checked("mode", mode)
    if environ.get("WANDB_MODE"):
        return _checked("WANDB_MODE", environ["WANDB_MODE"])
    return "online" if environ.get("WANDB_API_KEY") else "offline"


def _checked(source: str, mode: str) -> Mode:
    if mode not in _MODES:
        raise ValueError(
            f"{source} must be one of online, offline, disabled, got {mode!r}; "
            "leave it unset to record offline unless WANDB_API_KEY is set."
        )
    return _MODES[mode]
