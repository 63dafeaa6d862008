"""Processes of their own: the first answer of a predictor, and the memory of a large prediction."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

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
_ALONE = """
import importlib.util, sys, numpy as np, tensorflow as tf
assert importlib.util.find_spec("bnn") is None
predict = tf.saved_model.load(sys.argv[1]).signatures["predict"]
numbers = {"seed": tf.constant(0, tf.int64), "num_samples": tf.constant(32)}
x = np.load(sys.argv[2])
each = [tf.constant(x[i : i + 1000]) for i in range(0, len(x), 1000)]
np.save(sys.argv[3], np.concatenate([predict(inputs=x, **numbers)["mean"] for x in each]))
"""
_PEAK = """
import sys, keras, numpy as np, bnn
x = np.random.default_rng(0).standard_normal((100_000, 784), np.float32)
model = bnn.models.mlp((784,), 10, hidden=(400, 400))
print("ready", flush=True)
print(bnn.predictive(model, bnn.likelihoods.Categorical(), x, 1000).mean.shape)
"""
_SECONDS = 45  # of the prediction that are watched, a fraction of it


def first_answer(what: str, folder: Path, inputs: Path, python: Path | None = None) -> None:
    """Runs a predictor until it has answered; `python` of another environment than this one."""
    program = {"exported": _EXPORTED, "restored": _RESTORED}[what]
    command = [python or sys.executable, "-c", program, folder.resolve(), inputs.resolve()]
    env = dict(os.environ) if python is None else _without_ours()
    subprocess.run(command, check=True, capture_output=True, env=env)


def answer_without_bnn(folder: Path, inputs: Path, environment: Path) -> np.ndarray:
    """The exported predictor's means, in a virtual environment of TensorFlow alone."""
    answers = environment / "answers.npy"
    python = tensorflow_alone(environment)
    command = [python, "-c", _ALONE, folder.resolve(), inputs.resolve(), answers.resolve()]
    subprocess.run(command, check=True, env=_without_ours(), cwd=environment)
    return np.load(answers)


def tensorflow_alone(environment: Path) -> Path:
    """The Python of a virtual environment with TensorFlow and what it needs; made once."""
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        version = importlib.metadata.version("tensorflow")
        subprocess.run([python, "-m", "pip", "install", "-q", f"tensorflow=={version}"], check=True)
    return python.absolute()


def _without_ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def peak_of_prediction(seconds: float = _SECONDS) -> dict[str, Any]:
    """Peak resident bytes, when they last grew, and for how long they were watched."""
    process = subprocess.Popen([sys.executable, "-c", _PEAK], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        begin = time.monotonic()
        peak, grew = 0, 0.0
        while time.monotonic() - begin < seconds and process.poll() is None:
            time.sleep(0.5)
            now = _peak(process.pid)
            if now > peak:
                peak, grew = now, time.monotonic() - begin
        ended = process.poll() is not None
        return {"peak": peak, "grew": grew, "watched": time.monotonic() - begin, "ended": ended}
    finally:
        process.kill()
        process.wait()


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(line[1]) * 1024 for line in lines), 0)
