import numpy as np
import pytest
import tensorflow as tf

from bnn import metrics
from bnn.data import Dataset
from bnn.data.assemble import regression_dataset
from bnn.evaluation import evaluate, judged
from bnn.likelihoods import Categorical, HeteroscedasticNormal, Normal
from bnn.runs.prediction_file import load_predictions
from bnn.runs.recorded_predictions import write_out_of_distribution, write_predictions


def test_classification(tmp_path, rng):
    x = rng.normal(size=(9, 2)).astype(np.float32)
    y = rng.integers(0, 3, 9).astype(np.int32)
    data = Dataset("toy", x, y, x[:0], y[:0], x, y, num_classes=3)
    samples = tf.constant(rng.normal(size=(4, 9, 3)), tf.float32)
    test = judged(Categorical(), samples, y, data)
    write_predictions(tmp_path, Categorical(), test, data)
    read = load_predictions(tmp_path / "predictions" / "test.npz")
    assert (read.task, read.num_samples) == ("classification", 4)
    np.testing.assert_array_equal(read.targets, y)
    np.testing.assert_array_equal(read.log_probs, tf.nn.log_softmax(samples).numpy())
    results = evaluate(Categorical(), samples, y, data)
    for name in ("nll", "error", "brier"):
        assert read.losses[name].mean() == pytest.approx(results[name], rel=1e-12)
    assert read.scores["entropy"].mean() == pytest.approx(results["predictive_entropy"])
    assert read.inputs is None


@pytest.mark.parametrize("likelihood", [Normal(0.3), HeteroscedasticNormal()])
@pytest.mark.parametrize("num_features", [1, 3])
def test_regression_in_own_units(tmp_path, rng, likelihood, num_features):
    x, y = 40 + 7 * rng.normal(size=(30, num_features)), 100 + 20 * rng.normal(size=(30, 2))
    data = regression_dataset("toy", (x[:20], y[:20]), (x[20:], y[20:]))
    likelihood.build(2)
    samples = tf.constant(rng.normal(size=(5, 10, likelihood.num_outputs(2))), tf.float32)
    test = judged(likelihood, samples, data.y_test, data)
    write_predictions(tmp_path, likelihood, test, data)
    read = load_predictions(tmp_path / "predictions" / "test.npz")
    results = evaluate(likelihood, samples, data.y_test, data)
    assert read.losses["nll"].mean() == pytest.approx(results["nll"], rel=1e-12)
    ranked = metrics.crps(read.loc, read.scale, read.targets)
    for d in range(2):  # each in its own unit
        name = f"target_{d}"
        squared, crps = (read.losses[f"{loss}/{name}"] for loss in ("squared_error", "crps"))
        assert np.sqrt(squared.mean()) == pytest.approx(results[f"rmse/{name}"])
        assert crps.mean() == pytest.approx(results[f"crps/{name}"], rel=1e-12)
        assert ranked[d] == pytest.approx(results[f"crps/{name}"], rel=1e-5)
        rms = np.sqrt(np.mean(read.scores[f"predictive_std/{name}"] ** 2))
        assert rms == pytest.approx(results[f"sharpness/{name}"], rel=1e-6)
    assert not {"rmse", "crps", "sharpness"} & set(results)
    np.testing.assert_allclose(read.targets, y[20:], rtol=1e-5)
    if num_features == 1:
        np.testing.assert_allclose(read.inputs, x[20:, 0], rtol=1e-5)
    else:
        assert read.inputs is None
    if isinstance(likelihood, Normal):
        assert read.scale.shape == (1, 1, 2)  # one level per target, whatever sample and input


def test_out_of_distribution(tmp_path, rng):
    samples = tf.constant(rng.normal(size=(4, 6, 3)), tf.float32)
    write_out_of_distribution(tmp_path, "letters", Categorical(), samples)
    read = load_predictions(tmp_path / "predictions" / "out_of_distribution" / "letters.npz")
    assert read.losses == {}
    assert read.num_examples == 6
    np.testing.assert_array_equal(
        read.scores["entropy"], metrics.predictive_entropy(tf.nn.log_softmax(samples))
    )


def test_out_of_distribution_of_a_regression(tmp_path, rng):
    samples = tf.constant(rng.normal(size=(4, 6, 1)), tf.float32)
    with pytest.raises(ValueError, match=r"need a likelihood of classes, got Normal; leave"):
        write_out_of_distribution(tmp_path, "letters", Normal(), samples)
