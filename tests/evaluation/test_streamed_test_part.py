"""Test examples that are read block by block give the numbers of those in memory."""

import numpy as np
import pytest

from bnn.data import ArrayExamples, ExampleError, ItemExamples, arrays, streamed_dataset
from bnn.evaluation import blocks, judge
from bnn.experiment import run
from bnn.likelihoods import Categorical
from bnn.runs.prediction_file import load_predictions
from tests.runs.task_cases import arguments


def _predict(part):
    return np.stack([part["a"] @ np.eye(4, 3), part["a"] @ np.ones((4, 3))]).astype(np.float32)


@pytest.mark.parametrize("size", [7, 1000])
def test_blocks_of_a_stream_are_those_of_arrays(rng, monkeypatch, size):
    x = {"a": rng.normal(size=(53, 4)).astype("float32")}
    y = rng.integers(0, 3, 53).astype("int32")
    counts = {"num_samples": 2, "num_outputs": 3}
    likelihood = Categorical()
    likelihood.build(3)
    whole = judge(_predict, likelihood, x, y, None, **counts)
    monkeypatch.setattr(blocks, "_READ", 16 * size)
    seen = []

    def watched(part):
        seen.append(len(part["a"]))
        return _predict(part)

    streamed = judge(watched, likelihood, ArrayExamples("toy", x, y), None, None, **counts)
    assert max(seen) == min(size, 53)
    assert sum(seen) == 53
    assert streamed.num_samples == 2
    for name, values in whole.examples.items():
        np.testing.assert_allclose(streamed.examples[name], values, rtol=1e-6, err_msg=name)
    for name, values in whole.samples.items():
        np.testing.assert_allclose(streamed.samples[name], values, rtol=1e-6)


def _folder(tmp_path):
    random = np.random.RandomState(0)
    x = random.normal(3.0, 2.0, (80, 3)).astype(np.float32)
    y = (x[:, :1] - x[:, 1:2] + random.normal(size=(80, 1))).astype(np.float64)
    for part, rows in (("train", slice(48)), ("test", slice(48, None))):
        np.save(tmp_path / f"x_{part}.npy", x[rows])
        np.save(tmp_path / f"y_{part}.npy", y[rows])
    return tmp_path


def test_a_run_on_streams_has_the_results_of_one_in_memory(tmp_path, cheap_runs):
    from bnn.likelihoods import Normal

    (tmp_path / "set").mkdir()
    folder = _folder(tmp_path / "set")
    done = {}
    for name, options in {"memory": {}, "streams": {"stream": True, "stream_test": True}}.items():
        data = arrays(folder, name="set", standardize="columns", **options)
        assert (data.num_train, data.num_test) == (48, 32)
        done[name] = run(tmp_path / name, **arguments(data, Normal()))
    assert len(done["streams"].data.x_test) == 0
    assert done["streams"]["num_test"] == 32
    for name, value in done["memory"]["test"].items():
        assert done["streams"]["test"][name] == pytest.approx(value, rel=1e-5, abs=1e-7), name
    kept = [load_predictions(tmp_path / n / "predictions" / "test.npz") for n in done]
    np.testing.assert_allclose(kept[0].losses["nll"], kept[1].losses["nll"], rtol=1e-5)
    np.testing.assert_allclose(kept[0].targets, kept[1].targets, rtol=1e-6)
    # Another test file is another data set.
    np.save(folder / "x_test.npy", np.load(folder / "x_test.npy") + 1)
    changed = arrays(folder, name="set", standardize="columns", stream=True, stream_test=True)
    with pytest.raises(ValueError, match=r"since it began, test_source of data set 'set' changed"):
        run(tmp_path / "streams", **arguments(changed, Normal()))


def test_a_test_row_that_cannot_be_used_is_named(rng):
    items = [(np.zeros(4, np.float32), i % 3) for i in range(20)]
    items[11] = (np.full(4, np.nan), 0)
    likelihood = Categorical()
    likelihood.build(3)
    with pytest.raises(ExampleError, match=r"toy: inputs must be finite, .* in row 11"):
        judge(
            lambda part: np.zeros((2, len(part), 3), np.float32),
            likelihood,
            ItemExamples("toy", items),
            None,
            None,
            num_samples=2,
            num_outputs=3,
        )


@pytest.mark.parametrize("streamed", [("stream",), ("stream_test",), ("stream", "stream_test")])
def test_streams_know_which_rows_of_their_table_they_are(tmp_path, rng, streamed):
    """By these the paired bootstrap sees what two splits of one table share."""
    np.save(tmp_path / "x.npy", rng.normal(size=(40, 3)).astype("float32"))
    np.save(tmp_path / "y.npy", rng.normal(size=(40, 1)))
    for seed in (0, 1):
        options = {"name": "set", "test_fraction": 0.25, "validation_fraction": 0.2, "seed": seed}
        memory = arrays(tmp_path, **options)
        found = arrays(tmp_path, **options, **dict.fromkeys(streamed, True))
        for part in ("train", "valid", "test"):
            np.testing.assert_array_equal(found.rows(part), memory.rows(part))
    assert found.rows_test is not None


def test_a_streamed_runs_predictions_hold_their_rows(tmp_path, cheap_runs, rng):
    from bnn.likelihoods import Normal

    (tmp_path / "set").mkdir()
    np.save(tmp_path / "set" / "x.npy", rng.normal(size=(40, 3)).astype("float32"))
    np.save(tmp_path / "set" / "y.npy", rng.normal(size=(40, 1)))
    data = arrays(tmp_path / "set", test_fraction=0.25, stream=True, stream_test=True)
    run(tmp_path / "run", **arguments(data, Normal()))
    kept = load_predictions(tmp_path / "run" / "predictions" / "test.npz")
    np.testing.assert_array_equal(kept.rows, data.rows_test)


def test_numbers_of_a_streams_rows_must_be_as_many():
    items = [(np.zeros(4, np.float32), i % 3) for i in range(20)]
    numbers = np.arange(20, 40)
    data = streamed_dataset(
        "toy", items, items, num_classes=3, stream_test=True, rows_test=numbers, rows_train=numbers
    )
    np.testing.assert_array_equal(data.rows("test"), numbers)
    with pytest.raises(ValueError, match=r"rows_test must be an int64 array \[20\]"):
        streamed_dataset(
            "toy", items, items, num_classes=3, stream_test=True, rows_test=numbers[:0]
        )
