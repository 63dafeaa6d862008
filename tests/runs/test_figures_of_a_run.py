import numpy as np
import pytest
import tensorflow as tf

from bnn import metrics
from bnn.data import Dataset
from bnn.data.assemble import regression_dataset
from bnn.evaluation import judged
from bnn.likelihoods import Categorical, Normal
from bnn.runs.figures import draw_figures

RECORDS = [{"step": 1, "epoch": 1.0, "loss": 2.0, "nll": 1.0, "kl": 10.0}]


@pytest.fixture
def drawn(monkeypatch):
    """The arguments that each figure was drawn with, by name; nothing is drawn."""
    calls = {}

    def note(name):
        def draw(*args, **kwargs):
            calls[name] = (args, kwargs)

        return draw

    names = ("learning_curve", "reliability_diagram", "predictive_band", "predictive_intervals")
    for name in names:
        monkeypatch.setattr(f"bnn.figures.{name}", note(name))
    return calls


def test_classification_draws_the_reliability_of_the_mixture(tmp_path, rng, drawn):
    x = rng.normal(size=(9, 2)).astype(np.float32)
    y = rng.integers(0, 3, 9).astype(np.int32)
    data = Dataset("toy", x, y, x[:0], y[:0], x, y, num_classes=3)
    samples = tf.constant(rng.normal(size=(4, 9, 3)), tf.float32)
    test = judged(Categorical(), samples, y, data)
    paths = draw_figures(tmp_path / "figures", RECORDS, Categorical(), test.examples, data)
    assert paths == {
        "learning_curve": tmp_path / "figures" / "learning_curve.png",
        "reliability": tmp_path / "figures" / "reliability.png",
    }
    assert set(drawn) == {"learning_curve", "reliability_diagram"}
    assert drawn["learning_curve"][0] == (RECORDS, paths["learning_curve"])
    (confidence, accuracy, count, path), options = drawn["reliability_diagram"]
    log_probs = tf.nn.log_softmax(samples).numpy()
    table = metrics.reliability(log_probs, y)
    np.testing.assert_array_equal(confidence, table.confidence)
    np.testing.assert_array_equal(accuracy, table.accuracy)
    np.testing.assert_array_equal(count, table.count)
    assert path == paths["reliability"]
    assert options == {"ece": metrics.ece(log_probs, y)}


@pytest.mark.parametrize(
    ("num_features", "figure"), [(1, "predictive_band"), (3, "predictive_intervals")]
)
def test_regression_draws_the_central_interval_in_own_units(
    tmp_path, rng, drawn, num_features, figure
):
    x, y = 7 + 3 * rng.normal(size=(30, num_features)), 100 + 20 * rng.normal(size=(30, 1))
    data = regression_dataset("toy", (x[:20], y[:20]), (x[20:], y[20:]))
    likelihood = Normal(0.5)
    likelihood.build(1)
    samples = tf.constant(rng.normal(size=(4, 10, 1)), tf.float32)
    test = judged(likelihood, samples, data.y_test, data)
    paths = draw_figures(tmp_path / "figures", RECORDS, likelihood, test.examples, data)
    assert set(paths) == {"learning_curve", "predictive_band"}
    assert set(drawn) == {"learning_curve", figure}
    *first, targets, mean, lower, upper = drawn[figure][0]
    mean, lower, upper = mean[:, 0], lower[:, 0], upper[:, 0]
    assert drawn[figure][1]["path"] == paths["predictive_band"]
    if first:
        np.testing.assert_allclose(first[0], x[20:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(targets, y[20:], rtol=1e-5)
    loc = samples[..., 0].numpy() * data.target_scale + data.target_loc
    np.testing.assert_allclose(mean, loc.mean(axis=0), rtol=1e-5)
    scale = np.full(loc.shape, 0.5 * data.target_scale[0])
    inside = metrics.mixture_cdf(loc, scale, upper) - metrics.mixture_cdf(loc, scale, lower)
    np.testing.assert_allclose(inside, 0.95, atol=1e-4)
