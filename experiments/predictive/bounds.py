"""The rows of the table of bounds, each measured beside what it is compared with."""

from __future__ import annotations

import contextlib
import functools
import shutil
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
POINTS = 32  # outputs drawn from the normals of moments, the default


def moments_time(root: Path) -> dict[str, Any]:
    """Seconds for 10,000 inputs: moments, 100 weight samples, and those of tfp.layers."""
    rows = {}
    for job in (MLP, LENET):
        run = opened(job, root)
        x = run.data.x_test
        calls = {
            "moments": lambda i, run=run, x=x: _moments(run, x).mean,
            "variances": lambda i, run=run, x=x: _moments(run, x, covariance=False).mean,
            "samples": lambda i, run=run, x=x: run.predictive(x, SAMPLES, seed=i).mean,
        }
        with contextlib.ExitStack() as stack:
            if job is MLP:
                peer = Worker(
                    "tfp.layers", "784-400-400-10", "--only=prediction/graph", "--without="
                )
                stack.enter_context(peer)
                for form in peer.ready()["variants"]:
                    calls[f"tfp.layers {form}"] = lambda i, f=form, peer=peer: peer.run(f, 1)
            rows[job.name] = alternating(calls, 11 if job is MLP else 2)
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


def tolerance(root: Path) -> dict[str, Any]:
    """Seconds on MNIST's test set with a tolerance of 0.01 and of a fixed S; what each held."""
    rows = {}
    for job in (MLP, LENET):
        run = opened(job, root)
        truth = reference(run)
        options = {"tolerance": 0.01, "num_samples": 16}
        asks: dict[str, dict[str, Any]] = {
            "S = 100": {"num_samples": SAMPLES},
            "tolerance": options,
            "tolerance, pairs": {**options, "antithetic": True},
        }
        said: dict[str, Any] = {}
        calls = {
            name: functools.partial(_ask, run, said, name, chosen) for name, chosen in asks.items()
        }
        seconds = alternating(calls, 1)
        rows[job.name] = {}
        for name, one in said.items():
            error = np.abs(one.mean[::EVERY] - truth).max(axis=1)
            largest = one.standard_error("mean").max(axis=1)
            count = SAMPLES if name == "S = 100" else one.convergence.num_samples.mean()
            rows[job.name][name] = {
                "seconds": seconds[name],
                "samples": float(count),
                "stated": float((largest <= 0.01).mean()),
                "true": float((error <= 0.01).mean()),
            }
    return {"rows": rows}


def _ask(run: Any, said: dict[str, Any], name: str, options: dict[str, Any], seed: int) -> None:
    said[name] = run.predictive(run.data.x_test, seed=seed, jit_compile=False, **options)
    said[name].mean  # noqa: B018  (draws)


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


def start(root: Path, rounds: int = 3) -> dict[str, Any]:
    """Seconds of a new process until its first answer, exported and restored."""
    run, folder, inputs = _exported(root)
    np.save(inputs, run.data.x_test[:10])
    alone = processes.tensorflow_alone(root / "alone")
    calls = {
        "exported, TensorFlow alone": lambda i: processes.first_answer(
            "exported", folder, inputs, alone
        ),
        "exported, the same environment": lambda i: processes.first_answer(
            "exported", folder, inputs
        ),
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
        shutil.rmtree(path, ignore_errors=True)
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
    shutil.rmtree(folder, ignore_errors=True)  # it may be of another revision
    bnn.export(run.model, folder, run.problem.likelihood)
    return run, folder, root / "inputs.npy"


def ratio(seconds: dict[str, list[float]], of: str, to: str) -> float:
    """Of the medians."""
    return statistics.median(seconds[of]) / statistics.median(seconds[to])
