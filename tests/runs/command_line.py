"""Flags for short runs of `python -m bnn.run`, and the program as a process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "gin_configs"
DIGITS = CONFIGS / "digits.gin"
# 1,437 training examples: 6 steps, reports after 3 and 6; small, and quick to compile.
SHORT = {
    "run.batch_size": "240",
    "run.epochs": "1",
    "run.report_every": "0.5",
    "run.tracker": "None",
    "run.jit_compile": "False",
    "run.num_predict_samples": "2",
    "run.steps_per_call": "2",
    "mlp.hidden": "()",
}


def bindings(**changes):
    """Flags for the short bindings and others."""
    changes = {name.replace("__", "."): value for name, value in changes.items()}
    return [f"--gin_bindings={name} = {value}" for name, value in {**SHORT, **changes}.items()]


def python(*arguments, **options):
    """Starts `python -m bnn.run` from elsewhere than the repository."""
    return subprocess.Popen(
        [sys.executable, "-m", "bnn.run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        **options,
    )
