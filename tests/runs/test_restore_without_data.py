"""A run restored where its source's file is not: what was recorded of the data is enough."""

import dataclasses
import shutil

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import experiment
from bnn.data import ExampleError, augmented, streamed_dataset
from bnn.data.augmentation import Flip
from bnn.data.recorded import can_be_recorded, is_recorded, recorded_dataset
from bnn.predictive import TemperatureScaling
from bnn.runs.configuration import parse
from bnn.runs.identity import changes_of_data, fingerprint
from tests.runs.task_cases import arguments, counted, dataset, of_values, sequences, several

CONFIG = """
import bnn.experiment
run.data = @{source}()
{bindings}
run.model = @mlp
mlp.hidden = (4,)
run.likelihood = @likelihoods.{likelihood}()
run.method = @VariationalInference()
VariationalInference.estimator = @LocalReparameterization()
run.optimizer = @keras.optimizers.Adam()
run.epochs = 1
run.batch_size = 8
run.num_predict_samples = 3
run.tracker = None
run.jit_compile = False
"""


def trained(tmp_path, source, *bindings, likelihood="Normal"):
    """A run of a gin file; its parts are built anew, as a process of its own would."""
    given = {"source": source, "likelihood": likelihood}
    text = CONFIG.format(bindings="\n".join(bindings), **given)
    (tmp_path / "config.gin").write_text(text)
    with gin.unlock_config():
        parse([str(tmp_path / "config.gin")], [])
        run = experiment.run(tmp_path / "run")
    gin.clear_config()
    return run


def same(one, other):
    np.testing.assert_array_equal(one.mean, other.mean)


def test_raw_arrays_in_the_targets_units(tmp_path, clean_gin, cheap_runs):
    random = np.random.RandomState(0)
    raw = random.normal(100.0, 5.0, (60, 3))
    targets = 7e4 + 1e3 * raw[:, :2] + random.normal(size=(60, 2))
    np.savez(tmp_path / "flats.npz", x=raw, y=targets)
    bindings = [f"arrays.path = '{tmp_path}/flats.npz'", "arrays.standardize = 'columns'"]
    run = trained(tmp_path, "arrays", *bindings)
    said = run.predictive(run.data.x_test)
    test = run.data.rows("test")
    (tmp_path / "flats.npz").unlink()
    restored = bnn.restore(tmp_path / "run")
    assert is_recorded(restored.data)
    assert restored.results == run.results
    assert (restored.data.num_train, restored.data.num_test) == (48, 0)
    assert restored.data.input_shape == (3,)
    assert restored.data.scaling.to_json() == run.data.scaling.to_json()
    same(restored.predictive(run.data.x_test), said)
    own = restored.predictive(raw[test], raw=True)
    np.testing.assert_allclose(own.mean, said.mean, rtol=1e-6)
    assert 1e5 < own.mean.mean() < 2.5e5  # no standardised values
    lower, upper = own.interval(0.9)
    assert ((lower < own.mean) & (own.mean < upper)).all()
    predicted = restored.predict(raw[test], raw=True)
    np.testing.assert_allclose(predicted, run.predict(run.data.x_test), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"must have a validation part to calibrate with, but has"):
        restored.calibrate(TemperatureScaling())
    with pytest.raises(
        ExampleError, match=r"flats: the examples are not here, .* bring the source"
    ):
        restored.data.batches(8, 0).at(0)


def test_a_raw_table_is_known_as_such(tmp_path, clean_gin, cheap_runs):
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    random = np.random.RandomState(0)
    frame = pandas.DataFrame({"area": random.normal(80.0, 9.0, 50), "town": ["a", "b"] * 25})
    frame["price"] = 3e3 * frame["area"]
    frame.to_csv(tmp_path / "flats.csv", index=False)
    bindings = [f"csv.path = '{tmp_path}/flats.csv'", "csv.targets = ['price']"]
    run = trained(tmp_path, "csv", *bindings, "csv.target_units = {'price': 'EUR'}")
    assert run["target_units"] == {"price": "EUR"}
    said = run.predictive(run.data.x_test)
    (tmp_path / "flats.csv").unlink()
    restored = bnn.restore(tmp_path / "run")
    assert "price (EUR)" in repr(restored.predictive(run.data.x_test))
    rows = frame.iloc[run.data.rows("test")]
    for table in (rows, rows.to_dict("list"), rows.to_dict("records")):
        same(restored.predictive(table), said)
    same(restored.predictive(run.data.x_test), said)  # numbers are taken as prepared
    with pytest.raises(ValueError, match=r"flats: column 'town' must hold .* got 'c' in row 0"):
        restored.predictive({"area": [70.0], "town": ["c"]})
    with pytest.raises(
        ValueError, match=r"flats: the table must have the columns .* 'town' is mis"
    ):
        restored.predictive({"area": [70.0]})


@pytest.mark.slow
def test_several_targets_of_a_raw_table_are_answered_by_name(tmp_path, clean_gin, cheap_runs):
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    random = np.random.RandomState(0)
    frame = pandas.DataFrame({"area": random.normal(80.0, 9.0, 50), "town": ["a", "b"] * 25})
    frame["price"], frame["grade"] = 7e4 + 3e2 * frame["area"], ["good", "bad"] * 25
    frame["visits"] = random.poisson(3.0, 50)
    frame.to_csv(tmp_path / "flats.csv", index=False)
    heads = "{'price': @likelihoods.Normal(), 'grade': @Categorical(), 'visits': @Poisson()}"
    bindings = [
        f"csv.path = '{tmp_path}/flats.csv'",
        "csv.targets = ['price', 'grade', 'visits']",
        "csv.target_kinds = {'visits': 'counts'}",
        f"Heads.likelihoods = {heads}",
    ]
    trained(tmp_path, "csv", *bindings, likelihood="Heads")
    (tmp_path / "flats.csv").unlink()
    restored = bnn.restore(tmp_path / "run")
    rows = [{"area": 70.0, "town": "b"}, {"area": 90.0, "town": "a"}]
    said = restored.predictive(rows)
    samples = restored.predict(restored.data.prepare_inputs(rows))
    scaling = restored.data.scaling.targets["price"]
    own = samples["price"].numpy().mean(axis=0) * scaling.scale + scaling.loc
    np.testing.assert_allclose(said["price"].mean(), own, rtol=1e-5)
    assert 8e4 < own.mean() < 1.1e5  # no standardised values
    np.testing.assert_allclose(tf.reduce_sum(said["grade"].probs, -1), 1, rtol=1e-5)
    np.testing.assert_allclose(said["visits"].mean(), np.exp(samples["visits"]).mean(0), rtol=1e-4)
    with pytest.raises(ValueError, match="tolerance must be left out where there are several tar"):
        restored.predictive(rows, tolerance=0.1)


def test_without_results_or_record_the_data_must_be_there(tmp_path, clean_gin, cheap_runs):
    np.savez(
        tmp_path / "toy.npz", x=np.random.RandomState(0).normal(size=(20, 2)), y=np.arange(20.0)
    )
    trained(tmp_path, "arrays", f"arrays.path = '{tmp_path}/toy.npz'")
    (tmp_path / "toy.npz").unlink()
    (tmp_path / "run" / "data.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"toy\.npz"):
        bnn.restore(tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"toy\.npz"):
        bnn.restore(tmp_path / "run", unfinished=True)


def test_data_of_python_need_not_be_given_again(tmp_path, clean_gin, cheap_runs):
    data = of_values()
    given = arguments(data, bnn.likelihoods.Normal())
    run = experiment.run(tmp_path / "run", **given)
    del given["data"]
    given["likelihood"] = bnn.likelihoods.Normal()
    given["method"] = bnn.methods.VariationalInference(bnn.estimators.Reparameterization())
    given["optimizer"] = keras.optimizers.Adam(0.05)
    restored = bnn.restore(tmp_path / "run", **given)
    same(restored.predictive(data.x_test, raw=True), run.predictive(data.x_test))


def _unfinish(folder):
    """Leaves what a run has that was killed after a checkpoint."""
    (folder / "results.json").unlink()


def test_a_run_that_has_not_ended_is_restored_without_the_sources_file(
    tmp_path, clean_gin, cheap_runs
):
    raw = np.random.RandomState(0).normal(100.0, 5.0, (60, 3))
    for streamed in (False, True):
        source = tmp_path / f"flats{streamed}"
        source.mkdir()
        np.save(source / "x.npy", raw)
        np.save(source / "y.npy", 3 * raw[:, :1])
        bindings = [f"arrays.path = '{source}'", "arrays.standardize = 'columns'"]
        folder = tmp_path / str(streamed)
        folder.mkdir()
        run = trained(folder, "arrays", *bindings, f"arrays.stream = {streamed}")
        said = run.predictive(raw[:5], raw=True)
        shutil.rmtree(source)
        _unfinish(folder / "run")
        restored = bnn.restore(folder / "run", unfinished=True)
        assert is_recorded(restored.data)
        assert (restored.results, restored.data.num_train) == (None, 48)
        same(restored.predictive(raw[:5], raw=True), said)


def test_standardised_streamed_images_are_restored_without_their_folder(
    tmp_path, clean_gin, cheap_runs
):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'bnn[images]'")
    random = np.random.RandomState(0)
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(20):
            pixels = random.randint(0, 256, (4, 4, 3)).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "pets" / label / f"{number}.png")
    bindings = [
        f"image_folder.path = '{tmp_path}/pets'",
        "image_folder.stream = True",
        "image_folder.standardize = True",
    ]
    run = trained(tmp_path, "image_folder", *bindings, likelihood="Categorical")
    new = random.randint(0, 256, (3, 4, 4, 3)).astype(np.uint8)
    said = run.predictive(new)
    shutil.rmtree(tmp_path / "pets")
    _unfinish(tmp_path / "run")
    restored = bnn.restore(tmp_path / "run", unfinished=True)
    assert restored.data.num_train == run.data.num_train == 32
    same(restored.predictive(new), said)
    assert restored.data.scaling.to_json() == run.data.scaling.to_json()


def test_a_record_of_an_earlier_version_goes_with_the_same_data():
    held = fingerprint(_streamed())
    assert held["num_train"] == 9
    earlier = {name: value for name, value in held.items() if name != "num_train"}
    assert changes_of_data(earlier, held) == []
    assert changes_of_data({**held, "num_train": 8}, held) == ["num_train"]
    assert can_be_recorded(earlier, 9)
    assert not can_be_recorded(earlier)
    assert not can_be_recorded({}, 9)


def _streamed():
    items = [(np.full((4, 4, 1), i / 9.0, np.float32), i % 3, 1.0) for i in range(9)]
    data = streamed_dataset("toy", items, items[:3], num_classes=3, class_names=("a", "b", "c"))
    return augmented(data, [Flip()])


def _pairs():
    items = [((np.zeros(2, np.float32), np.arange(3)), np.int32(i % 2)) for i in range(9)]
    return streamed_dataset("toy", items, items[:3], num_classes=2)


CASES = {
    "values": of_values,
    "values with units": lambda: dataclasses.replace(
        of_values(), target_names=("load", "heat"), target_units={"heat": "kWh"}
    ),
    "counts": counted,
    "several labels": lambda: counted("multi_label"),
    "label map": sequences,
    "several inputs and targets": several,
    "streamed": _streamed,
    "labels": lambda: dataset((np.arange(32) % 2).astype(np.int32), num_classes=2),
    "inputs in a tuple": _pairs,
}


@pytest.mark.parametrize("case", CASES)
def test_the_record_has_all_but_the_examples(case):
    data = CASES[case]()
    described = fingerprint(data)
    found = recorded_dataset(described, data.num_train)
    for name in ("name", "num_train", "input_shape", "kinds", "task", "num_classes", "num_targets"):
        assert getattr(found, name) == getattr(data, name), name
    assert (found.target_names, found.class_names) == (data.target_names, data.class_names)
    assert found.target_units == data.target_units
    assert found.scaling.to_json() == data.scaling.to_json()
    assert fingerprint(found) == described
    assert (found.num_valid, found.num_test) == (0, 0)


def test_a_damaged_record_is_named():
    described = fingerprint(of_values())
    del described["y_train"]
    with pytest.raises(
        ValueError, match=r"'toy' must hold its shapes and scaling, but 'y_train' is"
    ):
        recorded_dataset(described)
    described = fingerprint(of_values())
    for wrong in ("text", {}, 5, {**described["x_train"], "shape": []}):
        with pytest.raises(ValueError, match=r"shapes and scaling, but it is damaged"):
            recorded_dataset({**described, "x_train": wrong})
