"""From the pages alone: a table with holes to intervals in another process; tf.data into fit."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.data import digits, streamed_dataset
from bnn.experiment import run
from tests.runs.task_cases import arguments

ROWS = 5_000
# The page's binding lines, for a file with two targets.
GIN = """
include 'uci.gin'
run.data = @csv()
csv.path = '{path}'
csv.targets = ['rent', 'price']
csv.missing = 'impute'
run.epochs = 80
run.batch_size = 128
run.report_every = 20
run.tracker = None
"""
# What another process does: it has the run's folder and rows of a table, and nothing else.
ANSWER = """
import json, sys
import bnn
rows = json.load(open(sys.argv[2]))
said = bnn.restore(sys.argv[1]).predictive(rows)
lower, upper = said.interval(0.9)
print(json.dumps([said.mean.tolist(), lower.tolist(), upper.tolist()]))
"""


def flats(count, seed):
    """Columns with holes; both targets are linear in area and town, with noise of 5 and 8 %."""
    random = np.random.RandomState(seed)
    area = random.uniform(30, 150, count)
    town = random.choice(["north", "south", "west"], count)
    built = random.randint(1900, 2020, count).astype(float)
    level = np.select([town == "north", town == "south"], [1.0, 1.5], 0.5)
    rent = 12 * area + 400 * level + random.normal(0, 60, count)
    price = 3e3 * area + 2e5 * level + random.normal(0, 3e4, count)
    built[random.uniform(size=count) < 0.2] = np.nan
    columns = {"area": area, "built": built, "town": town.astype(object)}
    columns["town"][random.uniform(size=count) < 0.05] = None
    return columns, np.stack([rent, price], axis=1)


@pytest.mark.slow
def test_a_table_with_holes_and_two_targets_predicts_in_another_process(tmp_path):
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    columns, targets = flats(ROWS, 0)
    frame = pandas.DataFrame(columns).assign(rent=targets[:, 0], price=targets[:, 1])
    frame.to_csv(tmp_path / "flats.csv", index=False)
    (tmp_path / "flats.gin").write_text(GIN.format(path=tmp_path / "flats.csv"))
    command = [sys.executable, "-m", "bnn.run", f"--gin_file={tmp_path / 'flats.gin'}"]
    trained = subprocess.run(
        [*command, f"--workdir={tmp_path / 'run'}"], capture_output=True, text=True
    )
    assert trained.returncode == 0, trained.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {"rmse/rent", "rmse/price"} <= set(results["test"])
    (tmp_path / "flats.csv").unlink()
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    new, expected = flats(1000, 1)
    rows = [
        {name: None if v != v else v for name, v in zip(new, values, strict=True)}
        for values in zip(*(values.tolist() for values in new.values()), strict=True)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    answer = subprocess.run(
        [sys.executable, "-c", ANSWER, tmp_path / "elsewhere", tmp_path / "rows.json"],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    mean, lower, upper = np.array(json.loads(answer.stdout.splitlines()[-1]))
    assert mean.shape == (1000, 2)
    # The rows without a town know less than the noise; of the others it is 60 and 30,000.
    known = np.array([row["town"] is not None for row in rows])
    error = np.sqrt(np.mean((mean - expected)[known] ** 2, axis=0))
    assert (error < 1.3 * np.array([60, 3e4])).all(), error
    inside = ((lower <= expected) & (expected <= upper)).mean(axis=0)
    assert ((inside > 0.85) & (inside < 0.97)).all(), inside
    by_command(pandas, tmp_path, rows, mean, lower)


def by_command(pandas, folder, rows, mean, lower):
    """The same answers beside the table's own columns, and nothing that is there is overwritten."""
    pandas.DataFrame(rows).assign(id=range(len(rows))).to_csv(folder / "new.csv", index=False)
    command = [sys.executable, "-m", "bnn.apply", f"--workdir={folder / 'elsewhere'}"]
    command += [f"--inputs={folder / 'new.csv'}", f"--output={folder / 'answers.csv'}"]
    before = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "true values" not in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "answers.csv"])
    frame = pandas.read_csv(folder / "answers.csv")
    assert frame["id"].tolist() == list(range(len(rows)))
    assert frame["town"].isna().sum() == sum(row["town"] is None for row in rows)
    np.testing.assert_allclose(frame[["mean_rent", "mean_price"]], mean, rtol=1e-5)
    np.testing.assert_allclose(frame[["lower_rent", "lower_price"]], lower, rtol=1e-4)
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "must not exist yet" in done.stderr) == (1, True)
    truth = pandas.DataFrame(rows).assign(rent=mean[:, 0], price=0.0)
    truth.to_csv(folder / "truth.csv", index=False)
    command[-2:] = [f"--inputs={folder / 'truth.csv'}", f"--output={folder / 'beside.csv'}"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    assert re.search(r"rent: RMSE \S+; the 90.0 % intervals hold 100 % of 1000 true values", said)
    assert re.search(r"price: RMSE .* hold 0 % of 1000 true values", said)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")  # by Keras's own default
def test_a_tf_data_pipeline_with_augmentation_goes_into_fit_unchanged():
    data = digits(flatten=False)

    def augment(image, label):
        image = tf.pad(image, [[1, 1], [1, 1], [0, 0]])
        return tf.image.random_crop(image, [8, 8, 1], seed=1), label

    pipeline = (
        tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
        .cache()
        .shuffle(1000, seed=0)
        .map(augment, num_parallel_calls=2)
        .batch(64)
        .prefetch(2)
    )
    test = tf.data.Dataset.from_tensor_slices((data.x_test, data.y_test)).batch(200)

    def network(convert):
        keras.utils.set_random_seed(0)
        layers = [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(10),
        ]
        plain = keras.Sequential(layers)
        return bnn.convert(plain, verbose=False) if convert else plain

    plain = network(False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.Adam(3e-3), loss=loss, metrics=["accuracy"])
    plain.fit(pipeline, epochs=1, verbose=0)
    bayesian = bnn.BayesianModel(network(True), bnn.likelihoods.Categorical())
    bayesian.compile(keras.optimizers.Adam(3e-3), metrics=["accuracy"])
    # The pipeline draws in parallel, and is no function of its seeds, so that two runs differ. Five
    # seeds have 0.92 to 0.96 in each of the last four epochs.
    history = bayesian.fit(pipeline, epochs=12, validation_data=test, verbose=0).history
    assert float(bayesian.num_train) == data.num_train
    assert np.mean(history["val_accuracy"][-4:]) > 0.9
    assert bayesian.predict(test, verbose=0).shape == (data.num_test, 10)


def test_a_source_that_changed_its_length_between_two_starts_is_refused(tmp_path, cheap_runs):
    items = [(np.full(3, i, np.float32), np.array([i / 9.0], np.float32)) for i in range(40)]
    units = {"target_loc": np.zeros(1), "target_scale": np.ones(1)}

    def start(train):
        data = streamed_dataset("records", train, items[:8], **units)
        return run(tmp_path / "run", **arguments(data, bnn.likelihoods.Normal()))

    done = start(items)
    assert start(items) == done.results
    message = (
        r"run holds a run on other data: since it began, train_source, num_train of data "
        r"set 'records' changed; restore the data's files, or name a new folder"
    )
    with pytest.raises(ValueError, match=message):
        start(items[:-1])
