"""Other libraries, each in a process of its own: PyTorch and TensorFlow do not share one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# What a peer's module needs, by its name.
NEEDS = {
    "laplace_torch": ("torch", "laplace"),
    "ivon_opt": ("torch", "ivon"),
    "blackjax_nuts": ("jax", "blackjax"),
}


def missing(peer: str) -> list[str]:
    """Packages that a peer lacks."""
    return [name for name in NEEDS[peer] if importlib.util.find_spec(name) is None]


def ask(peer: str, asked: Any) -> Any:
    """What a peer answers, as JSON; RuntimeError with what it said where it fails."""
    command = [sys.executable, "-W", "ignore", "-m", f"experiments.references.{peer}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        command,
        input=json.dumps(asked, default=_plain),
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def serve(answer: Callable[[Any], Any]) -> None:
    """Answers what stands on standard input, on the last line of standard output."""
    print(json.dumps(answer(json.load(sys.stdin)), default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON.")
