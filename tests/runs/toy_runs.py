"""Small data, the least of Bayesian networks, a run on them, and how to stop one."""

import importlib
import os
import re
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.data import Dataset
from bnn.data.assemble import regression_dataset
from bnn.experiment import run
from bnn.methods import VariationalInference
from bnn.runs import session
from bnn.tracking import Tracker
from bnn.training import InterruptedRunError
from bnn.training.pace import Pace

training_loop = importlib.import_module("bnn.training.fit")  # the package's `fit` is the function


def classes(num_valid=0):
    """30 examples of 3 features in 2 classes, 10 more for the test."""
    random = np.random.RandomState(0)
    x = random.normal(size=(40, 3)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5] > 0).astype(np.int32)
    end = 30 - num_valid
    return Dataset(
        name="toy",
        x_train=x[:end],
        y_train=y[:end],
        x_valid=x[end:30],
        y_valid=y[end:30],
        x_test=x[30:],
        y_test=y[30:],
        num_classes=2,
    )


def values():
    """A regression in units of hundreds."""
    random = np.random.RandomState(0)
    x = random.normal(size=(40, 2))
    y = 300 + 50 * (x @ [[1.0], [0.3]]) + random.normal(size=(40, 1))
    return regression_dataset("toy values", (x[:30], y[:30]), (x[30:], y[30:]))


def linear(input_shape, num_outputs):
    """One random kernel: the least that is a Bayesian network."""
    dense = bnn.layers.Dense(num_outputs, use_bias=False)
    return keras.Sequential([keras.Input(input_shape), dense])


def arguments(**changes):
    """A run of 12 steps with reports after 3, 6, 9 and 12."""
    return {
        "data": classes(),
        "model": linear,
        "likelihood": bnn.likelihoods.Categorical(),
        "method": VariationalInference(bnn.estimators.Reparameterization()),
        "optimizer": keras.optimizers.Adam(0.05),
        "epochs": 4,
        "batch_size": 10,
        "num_predict_samples": 4,
        "steps_per_call": 2,
        "jit_compile": False,
        **changes,
    }


def without_times(workdir):
    """The lines of `metrics.jsonl` apart from the seconds."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [re.sub(r'"seconds": [0-9.e+-]+, ', "", line) for line in lines]


def comparable(results):
    return {k: v for k, v in results.items() if k not in ("seconds", "date")}


def checkpoint_bits(workdir):
    """All tensors of the newest checkpoint."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(workdir / "checkpoints")))
    names = [n for n in reader.get_variable_to_shape_map() if n.endswith("VARIABLE_VALUE")]
    return {name: np.asarray(reader.get_tensor(name)).tolist() for name in names}


class FullPace(Pace):
    """Calls of the full length from the first on: where a call ends depends on no clock."""

    def __init__(self, most):
        super().__init__(most)
        self.count = most

    def took(self, count, seconds):
        pass


class StopAt(session.TrainingSteps):
    """Training steps that send a signal to the process after the call that ends at `end`."""

    end: int
    number = signal.SIGTERM

    def __call__(self, first_step, num_steps):
        history = super().__call__(first_step, num_steps)
        if first_step + num_steps == self.end:
            os.kill(os.getpid(), self.number)
        return history


def stopped_and_continued(workdir, monkeypatch, changes=dict):
    """The results of a run that was stopped within a report's steps, and after a report."""
    for end, shown in ((2, 0), (6, 2)):
        with monkeypatch.context() as patch:
            patch.setattr(StopAt, "end", end, raising=False)
            patch.setattr(session, "TrainingSteps", StopAt)
            patch.setattr(training_loop, "Pace", FullPace)
            with pytest.raises(InterruptedRunError, match=f"SIGTERM after step {end};") as caught:
                run(workdir, **arguments(**changes()))
        assert caught.value.exit_code == 42
        assert len(without_times(workdir)) == shown
        assert not (workdir / "results.json").exists()
    return run(workdir, **arguments(**changes()))


class Recorder(Tracker):
    """Notes what it is told."""

    def __init__(self):
        self.calls = []

    def start(self, run):
        self.calls.append(("start", run.resumed_step))

    def log(self, step, values):
        self.calls.append(("log", step))

    def figure(self, name, path, step):
        self.calls.append(("figure", name))

    def finish(self, results, failed=False):
        self.calls.append(("finish", "test nll" in results, failed))


def narrow(input_shape, num_outputs, hidden=2):
    layers = [bnn.layers.Dense(hidden, "relu"), bnn.layers.Dense(num_outputs)]
    return keras.Sequential([keras.Input(input_shape), *layers])
