"""A short run beside W&B, and what the tests read of it."""

import gc
import time
import warnings

import matplotlib
import numpy as np
import wandb

from bnn.tracking import Jsonl, Trackers

KEY = "f" * 40
BOUND = 30.0  # seconds: far above what a busy machine needs, far below wandb's own waits (90, ever)


def end_session():
    """Ends wandb's service, whose process handle wandb drops while the process is ending."""
    wandb.teardown()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def image(path):
    matplotlib.image.imsave(path, np.zeros((4, 5, 3)))
    return path


def track(run, tracker, records, results=None, failed=False):
    """A run with its own record beside W&B; returns how long the tracker held it up."""
    trackers = Trackers([tracker, Jsonl()])
    begin = time.monotonic()
    trackers.start(run)
    for step, values in records:
        trackers.log(step, values)
    trackers.figure("figures/curve", image(run.workdir / "curve.png"), records[-1][0])
    trackers.finish({} if results is None else results, failed)
    return time.monotonic() - begin


RECORDS = [(step, {"loss": 1.0 / step, "kl/dense": float(step)}) for step in (10, 20, 30)]


def reports(caplog):
    """What the run's log says; wandb's own log goes to a file."""
    return [record.getMessage() for record in caplog.records if record.name == "absl"]


def steps_and_losses(history):
    return [(row["_step"], row["loss"]) for row in history if "loss" in row]


def wait_for(condition):
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
