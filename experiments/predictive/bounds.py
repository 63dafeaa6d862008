"""The rows of the table of bounds, each measured beside what it is compared with."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import bnn
from experiments.predictive import processes
from experiments.predictive.cases import (
    EVERY,
    LENET,
    MLP,
    REGRESSIONS,
    alternating,
    opened,
    reference,
    total_variation,
)
from experiments.speed.session import Worker

SAMPLES = 100
POINTS = 64  # outputs drawn from the normals of moments
_SPEED_CASES = {MLP.name: "784-400-400-10", LENET.name: "LeNet-5"}


def moments_time(root: Path, rounds: int = 3) -> dict[str, Any]:
    """Seconds for 10,000 inputs: moments, 100 weight samples, and those of tfp.layers."""
    rows = {}
    for job in (MLP, LENET):
        run = opened(job, root)
        x = run.data.x_test
        with Worker("tfp.layers", _SPEED_CASES[job.name], "--only=prediction", "--without=") as tfp:
            forms = tfp.ready()["variants"]
            calls = {
                "moments": lambda i, run=run, x=x: _moments(run, x).mean,
                "variances": lambda i, run=run, x=x: _moments(run, x, covariance=False).mean,
                "samples": lambda i, run=run, x=x: run.predictive(x, SAMPLES, seed=i).mean,
                **{
                    f"tfp.layers {form}": lambda i, form=form, tfp=tfp: tfp.run(form, 1)
                    for form in forms
                },
            }
            rows[job.name] = alternating(calls, rounds)
    return {"rows": rows}


def _moments(run: Any, x: np.ndarray, **options: Any) -> Any:
    return run.predictive(x, POINTS, seed=0, method="moments", **options)


def moments_error(root: Path) -> dict[str, Any]:
    """Total variation to the reference: moments, and 100 weight samples of five seeds."""
    rows = {}
    for job in (MLP, LENET):
        run = opened(job, root)
        x, truth = run.data.x_test[::EVERY], reference(run)
        rows[job.name] = {
            "moments": total_variation(_moments(run, x).mean, truth),
            "variances": total_variation(_moments(run, x, covariance=False).mean, truth),
            "samples": [
                total_variation(run.predictive(x, SAMPLES, seed=seed).mean, truth)
                for seed in range(5)
            ],
        }
    return {"rows": rows}


def tolerance(root: Path, rounds: int = 3) -> dict[str, Any]:
    """Seconds on MNIST's test set with a tolerance of 0.01 and of a fixed S; what it held."""
    run = opened(MLP, root)
    x, options = run.data.x_test, {"tolerance": 0.01, "num_samples": 16}
    held: dict[str, Any] = {}

    def until(seed: int) -> None:
        said = run.predictive(x, seed=seed, **options)
        error = np.abs(said.mean[::EVERY] - reference(run)).max(axis=1)
        found = said.convergence
        held.setdefault("stated", []).append(float(found.reached.mean()))
        held.setdefault("true", []).append(float((error <= 0.01).mean()))
        held.setdefault("samples", []).append(float(found.num_samples.mean()))

    calls = {"tolerance": until, "fixed": lambda i: run.predictive(x, SAMPLES, seed=i).mean}
    reference(run)
    seconds = alternating(calls, rounds)
    fixed = run.predictive(x, SAMPLES, seed=0)
    error = np.abs(fixed.mean[::EVERY] - reference(run)).max(axis=1)
    return {"seconds": seconds, **held, "true of fixed": float((error <= 0.01).mean())}


def coupling(root: Path, num_samples: int = 32, groups: int = 200) -> dict[str, Any]:
    """Mean-square error of the predictive mean of S samples, antithetic against independent.

    Over `groups` disjoint groups of S samples, against the mean of 2¹⁵ others; squared units of the
    standardised target, averaged over the test inputs.
    """
    from bnn.prediction import Draws

    rows = {}
    for name, job in REGRESSIONS.items():
        run = opened(job, root)
        x = run.data.x_test[:200]
        truth = bnn.predict(run.model, x, 2**15, seed=10**6).numpy().mean(axis=0)
        rows[name] = {}
        for pairs in (False, True):
            functions = Draws(num_samples * groups, 1, antithetic=pairs)
            outputs = bnn.predict(
                run.model, x, functions=functions, num_samples=functions.num_samples
            )
            means = outputs.numpy().reshape(groups, num_samples, *truth.shape).mean(axis=1)
            each = ((means - truth) ** 2).mean(axis=(1, 2))
            rows[name]["antithetic" if pairs else "independent"] = [
                float(each.mean()),
                float(each.std(ddof=1) / np.sqrt(groups)),
            ]
    return {"rows": rows}


def memory(root: Path) -> dict[str, Any]:
    """Peak resident memory of S = 1,000 samples for 100,000 inputs."""
    return processes.peak_of_prediction()


def start(root: Path, rounds: int = 5) -> dict[str, Any]:
    """Seconds of a new process until its first answer, exported and restored."""
    run, folder, inputs = _exported(root)
    np.save(inputs, run.data.x_test[:10])
    calls = {
        "exported": lambda i: processes.first_answer("exported", folder, inputs),
        "restored": lambda i: processes.first_answer("restored", run.folder, inputs),
    }
    return {"seconds": alternating(calls, rounds)}


def alone(root: Path) -> dict[str, Any]:
    """The exported predictor on MNIST's test set without bnn, and how far it is from ours."""
    run, folder, inputs = _exported(root)
    np.save(inputs, run.data.x_test)
    probs = processes.answer_without_bnn(folder, inputs, root / "alone")
    ours = run.predictive(run.data.x_test, 32, seed=0, jit_compile=False).mean
    accuracy = float(np.mean(probs.argmax(axis=1) == run.data.y_test))
    sizes = {}
    for share in (0.0, 0.9):
        path = root / f"exported-{share}"
        if not path.exists():
            bnn.export(run.model, path, run.problem.likelihood, prune=share)
        pruned = tf.saved_model.load(str(path)).signatures["predict"]
        numbers = {"seed": tf.constant(0, tf.int64), "num_samples": tf.constant(32)}
        said = pruned(inputs=tf.constant(run.data.x_test[:2000]), **numbers)["mean"].numpy()
        sizes[str(share)] = {
            "bytes": sum(f.stat().st_size for f in path.rglob("*") if f.is_file()),
            "error": float(np.mean(said.argmax(axis=1) != run.data.y_test[:2000])),
        }
    return {"accuracy": accuracy, "difference": float(np.abs(probs - ours).max()), "sizes": sizes}


def _exported(root: Path) -> tuple[Any, Path, Path]:
    run, folder = opened(MLP, root), root / "exported"
    if not folder.exists():
        bnn.export(run.model, folder, run.problem.likelihood)
    return run, folder, root / "inputs.npy"


def ratio(seconds: dict[str, list[float]], of: str, to: str) -> float:
    """Of the medians."""
    return statistics.median(seconds[of]) / statistics.median(seconds[to])
