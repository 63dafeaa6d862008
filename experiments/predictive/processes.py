"""Processes of their own: the first answer of a predictor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_EXPORTED = """
import sys, numpy as np, tensorflow as tf
predict = tf.saved_model.load(sys.argv[1]).signatures["predict"]
x = tf.constant(np.load(sys.argv[2]))
print(predict(inputs=x, seed=tf.constant(0, tf.int64), num_samples=tf.constant(32))["mean"].shape)
"""
_RESTORED = """
import sys, numpy as np, bnn
print(bnn.restore(sys.argv[1]).predictive(np.load(sys.argv[2]), 32, seed=0).mean.shape)
"""


def first_answer(what: str, folder: Path, inputs: Path) -> None:
    """Runs a predictor until it has answered."""
    program = {"exported": _EXPORTED, "restored": _RESTORED}[what]
    command = [sys.executable, "-c", program, str(folder), str(inputs)]
    subprocess.run(command, check=True, capture_output=True)
