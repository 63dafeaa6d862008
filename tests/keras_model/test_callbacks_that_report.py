"""Callbacks that write elsewhere: TensorBoard, Weights & Biases; and the progress line."""

import json
import os
import re
import subprocess
import sys

import keras
import pytest

from tests.tracking.wandb_file import read_run_file

NAMES = ("loss", "nll", "kl", "accuracy")


def test_the_progress_line_shows_nll_and_kl_apart(make, data, capsys):
    make(metrics=["accuracy"]).fit(*data, validation_data=data, verbose=2)
    said = capsys.readouterr().out
    for name in NAMES:
        assert re.search(rf" {name}: \d", said), said
        assert re.search(rf" val_{name}: \d", said), said
    (nll,), (kl,) = (re.findall(rf" {name}: ([\d.e+]+)", said) for name in ("nll", "kl"))
    assert float(nll) < 10 < float(kl)


def test_tensorboard(make, data, tmp_path):
    module = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(module, reason="needs tensorboard (extra `tensorboard`)")
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    model = make(metrics=["accuracy"])
    options = {"epochs": 2, "validation_data": data, "verbose": 0}
    history = model.fit(*data, callbacks=[board], **options).history
    for part, prefix in (("train", ""), ("validation", "val_")):
        events = accumulator.EventAccumulator(str(tmp_path / part), {"tensors": 0}).Reload()
        for name in NAMES:
            found = [_number(event) for event in events.Tensors(f"epoch_{name}")]
            assert found == pytest.approx(history[prefix + name], rel=1e-5)


def _number(event):
    import tensorflow as tf

    return float(tf.make_ndarray(event.tensor_proto))


WITH_WANDB = """
import json, sys
import keras, numpy as np, wandb
from wandb.integration.keras import WandbMetricsLogger
import bnn
rng = np.random.default_rng(0)
x = rng.normal(size=(50, 4)).astype("float32")
data = x, np.argmax(x[:, :3], axis=1)
network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
model = bnn.BayesianModel(network, bnn.likelihoods.Categorical(), num_predict_samples=2)
model.compile("adam", metrics=["accuracy"])
run = wandb.init(project="fit", dir=sys.argv[1])
options = {"epochs": 2, "validation_data": data, "verbose": 0}
history = model.fit(*data, callbacks=[WandbMetricsLogger()], **options).history
run.finish()
print(json.dumps(history))
"""


@pytest.mark.slow
def test_wandb_keeps_every_log(tmp_path):
    own = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    command = [sys.executable, "-c", WITH_WANDB, str(tmp_path)]
    environment = {**os.environ, **own}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    history = json.loads(done.stdout.splitlines()[-1])
    (path,) = tmp_path.rglob("run-*.wandb")
    rows = read_run_file(path)["history"]
    for name in (*NAMES, *(f"val_{name}" for name in NAMES)):
        found = [row[f"epoch/{name}"] for row in rows if f"epoch/{name}" in row]
        assert found == pytest.approx(history[name], rel=1e-6)


WITH_WANDB_CHECKPOINTS = """
import pathlib, sys
import keras, numpy as np, wandb
from wandb.integration.keras import WandbMetricsLogger, WandbModelCheckpoint
import bnn
rng = np.random.default_rng(0)
x = rng.normal(size=(50, 4)).astype("float32")
data = x, np.argmax(x[:, :3], axis=1)
network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
model = bnn.BayesianModel(network, bnn.likelihoods.Categorical(), num_predict_samples=2)
rates = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.5)
model.compile(keras.optimizers.Adam(rates), metrics=["accuracy"])
run = wandb.init(project="fit", dir=sys.argv[1])
folder = pathlib.Path(sys.argv[1])
best = WandbModelCheckpoint(
    folder / "best-{epoch}.keras", monitor="val_nll", save_best_only=True
)
weights = WandbModelCheckpoint(folder / "last.weights.h5", save_weights_only=True, save_freq=2)
callbacks = [WandbMetricsLogger(log_freq=1), best, weights]
options = {"epochs": 2, "validation_data": data, "verbose": 0}
model.fit(*data, callbacks=callbacks, **options)
run.finish()
assert best.mode == "min"
loaded = keras.models.load_model(folder / "best-2.keras")
np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
model.load_weights(folder / "last.weights.h5")
"""


@pytest.mark.slow
def test_wandb_logs_batches_and_keeps_checkpoints(tmp_path):
    own = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    own |= {f"WANDB_{name}_DIR": str(tmp_path / name) for name in ("CACHE", "DATA", "ARTIFACT")}
    command = [sys.executable, "-c", WITH_WANDB_CHECKPOINTS, str(tmp_path)]
    environment = {**os.environ, **own}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("run-*.wandb")
    rows = [row for row in read_run_file(path)["history"] if "batch/batch_step" in row]
    assert [row["batch/batch_step"] for row in rows] == [0, 1, 2, 3]  # 50 examples by 32, twice
    for row in rows:
        assert {f"batch/{name}" for name in NAMES} < set(row)
    rates = [row["batch/learning_rate"] for row in rows]
    assert rates == pytest.approx([0.01 * 0.5 ** (step / 10) for step in range(1, 5)], rel=1e-5)
