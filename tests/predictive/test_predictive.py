import importlib
import re
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Bernoulli, Categorical, MixtureDensity, Normal, Poisson
from bnn.prediction import Functions
from bnn.predictive import (
    LAC,
    AbsoluteResidual,
    Calibration,
    ConformalizedQuantiles,
    NormalizedResidual,
    TemperatureScaling,
    display,
    quantities,
    standard_errors,
)

S, N = 40, 12


class Shifts(Functions):
    """Function s adds row s of its numbers to the outputs: a posterior that tests know."""

    def __init__(self, variable, values):
        self.variable, self.arguments = variable, tf.constant(values, tf.float32)
        self.num_samples = len(values)

    def at(self, sample, arguments):
        return keras.StatelessScope(state_mapping=[(self.variable, arguments[sample])])


def model_of(width):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])
    return model, model.layers[-1].bias


@pytest.fixture
def x(rng):
    return rng.normal(size=(N, 3)).astype(np.float32)


def say(likelihood, width, x, rng, count=S, **options):
    model, bias = model_of(width)
    values = rng.normal(size=(count, width)).astype(np.float32)
    said = bnn.predictive(
        model, likelihood, x, functions=Shifts(bias, values), jit_compile=False, **options
    )
    return said, model(x).numpy() + values[:, None]


@pytest.mark.parametrize("batch_size", [None, 5])
def test_a_regression(x, rng, batch_size):
    units = {"loc": np.array([10.0, -3.0]), "scale": np.array([2.0, 0.1])}
    said, outputs = say(Normal(0.5), 2, x, rng, batch_size=batch_size, **units)
    mixture = Normal(0.5).predictive(outputs, **units)
    np.testing.assert_allclose(said.mean, mixture.mean(), rtol=1e-6)
    np.testing.assert_allclose(said.total, mixture.variance(), rtol=1e-4)
    np.testing.assert_allclose(said.aleatoric + said.epistemic, said.total, rtol=1e-9)
    np.testing.assert_allclose(said.stddev, mixture.stddev(), rtol=1e-4)
    lower, upper = said.interval(0.9)
    np.testing.assert_allclose(lower, mixture.quantile(0.05), rtol=1e-5)
    np.testing.assert_allclose(upper, mixture.quantile(0.95), rtol=1e-5)
    y = rng.normal(size=(N, 2)) * units["scale"] + units["loc"]
    np.testing.assert_allclose(said.log_prob(y), mixture.log_prob(y), rtol=1e-4)
    assert said.samples(7).shape == (7, N, 2)


def test_a_classification(x, rng):
    said, outputs = say(Categorical(), 3, x, rng)
    mixture = Categorical().predictive(outputs)
    np.testing.assert_allclose(said.mean, mixture.probs, rtol=1e-5)
    np.testing.assert_allclose(said.total, mixture.total(), rtol=1e-5)
    np.testing.assert_allclose(said.epistemic, mixture.epistemic(), rtol=1e-4)
    assert said.mean.shape == (N, 3)
    assert said.total.shape == (N,)
    assert said.samples(7).shape == (7, N)
    with pytest.raises(
        ValueError, match=r"quantile is of targets that are numbers, got the classes"
    ):
        said.quantile(0.5)


@pytest.mark.parametrize(
    ("likelihood", "width"), [(Normal(0.5), 1), (Categorical(), 3), (MixtureDensity(2), 6)]
)
def test_standard_errors_are_the_spread_over_repetitions(likelihood, width, rng):
    """The stated error, averaged, against the deviation of 300 estimates: within 4 of its own."""
    repetitions = 300
    # Not about equal probabilities, where the entropy's first derivative vanishes.
    outputs = rng.normal(np.linspace(2, -1, width), size=(64, repetitions, width))
    moments = [
        np.reshape(m, (repetitions, -1))[:, 0]
        for m in quantities.moments(likelihood.predictive(outputs), 1)
    ]
    names = ("mean", "total", "aleatoric", "epistemic")
    for name, values, errors in zip(names, moments[:4], moments[4:], strict=True):
        spread, stated = np.std(values, ddof=1), np.sqrt(np.mean(np.square(errors)))
        if spread < 1e-12:
            np.testing.assert_allclose(stated, 0, atol=1e-12)
            continue
        # A deviation over n repetitions has a relative error of about 1/√(2n), more in heavy tails.
        assert abs(np.log(stated / spread)) < 4 / np.sqrt(2 * repetitions), name


def test_standard_error_of_a_quantile(rng):
    repetitions = 300
    mixture = Normal(0.5).predictive(rng.normal(size=(200, repetitions, 1)))
    at = mixture.quantile(0.9).numpy()
    stated = np.sqrt(np.mean(standard_errors.of_quantile(mixture, at) ** 2))
    assert abs(np.log(stated / np.std(at, ddof=1))) < 4 / np.sqrt(2 * repetitions)


def test_errors_of_the_object(x, rng):
    said, _ = say(Normal(0.5), 2, x, rng)
    means = said.standard_error("mean")
    assert means.shape == said.standard_error("quantile", 0.9).shape == (N, 2)
    assert np.all(means > 0)
    with pytest.raises(ValueError, match=r"quantity must be one of mean, .* got 'interval'"):
        said.standard_error("interval")
    counts, _ = say(Poisson(), 1, x, rng)
    assert np.all(np.isnan(counts.standard_error("quantile", 0.9)))
    alone, _ = say(Normal(0.5), 2, x, rng, 1)
    assert np.all(np.isnan(alone.standard_error("mean")))


def test_nothing_is_computed_twice(x, rng, monkeypatch):
    said, _ = say(Normal(0.5), 2, x, rng)
    _ = said.mean
    module = importlib.import_module("bnn.predictive.predictive")
    monkeypatch.setattr(module, "predict_blocks", None)
    assert said.total.shape == said.standard_error("epistemic").shape == (N, 2)


def test_draws_of_the_posterior(x):
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1, use_bias=False)])
    said = bnn.predictive(model, Normal(0.5), x, 3, seed=5, jit_compile=False)
    samples = bnn.predict(model, x, 3, seed=5, jit_compile=False)
    np.testing.assert_allclose(said.mean, np.mean(samples, axis=0), rtol=1e-5, atol=1e-6)


def test_data_sets(x, rng):
    whole, _ = say(Normal(0.5), 1, x, np.random.default_rng(1))
    model = whole._model
    batches = tf.data.Dataset.from_tensor_slices(x).batch(5)
    said = bnn.predictive(model, Normal(0.5), batches, functions=whole._functions)
    np.testing.assert_allclose(said.mean, whole.mean, rtol=1e-5, atol=1e-6)


def test_it_prints_itself(x, rng):
    said = say(Categorical(), 3, x, rng)[0]
    first, headings, row, *_, last = repr(said).splitlines()
    assert first == "Predictive of 12 inputs, 40 weight samples, Categorical: ± Monte-Carlo error"
    assert headings == "  input | class: probability | total entropy, nats"
    likeliest = said.mean[0].argmax()
    error = said.standard_error("mean")[0, likeliest]
    assert row.startswith(f"  0 | {likeliest}: {said.mean[0, likeliest]:.4g} ± {error:.1g}, ")
    assert row.endswith(f" | {said.total[0]:.4g} ± {said.standard_error('total')[0]:.1g}")
    assert last == "  …"


def numbers_of(row):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", row.partition("|")[2])]


@pytest.mark.parametrize(
    ("likelihood", "width"), [(Normal(0.5), 2), (MixtureDensity(2), 6), (Poisson(), 1)]
)
def test_numbers_are_shown_with_their_interval(x, rng, likelihood, width):
    """Of variances and Monte-Carlo errors nobody reads how far the target may be off."""
    said, _ = say(likelihood, width, x, rng, batch_size=3)  # the first rows are of two blocks
    text = repr(said)
    lower, upper = said.interval(0.9)
    assert "mean [central 90 % interval]; Monte-Carlo error of the means at most" in text
    for row, line in enumerate(text.splitlines()[2:7]):
        known = np.stack([said.mean[row], lower[row], upper[row]], axis=1).ravel()
        width = np.repeat(upper[row] - lower[row], 3)
        np.testing.assert_array_less(np.abs(numbers_of(line) - known), 0.06 * width)


def test_a_calibrated_interval_is_the_one_that_is_shown(x, rng):
    for rule in (NormalizedResidual(0.5), AbsoluteResidual(0.8), ConformalizedQuantiles(0.6)):
        said, _ = say(Normal(0.5), 1, x, rng, loc=300.0, scale=20.0)
        said.calibration = Calibration(conformal=rule).fit(said, 300 + 20 * rng.normal(size=(N, 1)))
        lower, upper = said.conformal_interval()
        name = f"mean [conformal {100 * rule.level:g} % interval, {type(rule).__name__}]"
        for text in (repr(said), said._repr_html_()):
            assert name in text
            shown = f"{said.mean[0, 0]:.0f} [{lower[0, 0]:.0f}, {upper[0, 0]:.0f}]"
            assert shown in text


def test_calibrated_classes_are_those_that_are_shown(x, rng):
    said, _ = say(Categorical(), 3, x, rng)
    said.names = ("cat", "dog", "owl")
    maps, both = TemperatureScaling(), LAC(0.6)
    said.calibration = Calibration(maps, both)
    labels = np.arange(N) % 3
    maps.fit(said.mean, labels)
    both.fit(maps(said.mean), labels)
    members = "{" + ", ".join(np.array(said.names)[said.prediction_sets()[0]]) + "}"
    row = repr(said).splitlines()[2]
    assert "class: recalibrated probability | conformal 60 % set, LAC | total" in repr(said)
    assert f": {said.calibrated_mean[0].max():.4g}, " in row
    assert f" | {members} | " in row


def test_labels_are_shown_by_their_probability(x, rng):
    said, _ = say(Bernoulli(), 2, x, rng)
    said.names = ("rain", "wind")
    assert f"  0 | rain: {said.mean[0, 0]:.4g} ± " in repr(said)
    assert "interval" not in repr(said)


def test_showing_needs_no_further_pass(x, rng):
    """Weights may change after a prediction, and a notebook still shows it."""
    said, _ = say(Normal(0.5), 2, x, rng)
    before = repr(said)
    said._model.layers[-1].kernel.assign_add(np.ones((3, 2)))
    assert repr(said) == before
    with pytest.raises(ValueError, match="a prediction must be of one network"):
        said.interval(0.9)


def test_no_width_and_counts():
    """An interval of one point, an empty one, and ends of counts, which are whole."""
    assert display._number((0.0, 0.0, 0.0), False) == "0 [0, 0]"
    assert display._number((3.21, 1.0, 6.0), True) == "3.2 [1, 6]"
    assert display._number((-0.01, -2.0, 2.0), False) == "0.0 [-2.0, 2.0]"
    assert display._number((1234.5678, 1234.51, 1234.62), False) == "1234.57 [1234.51, 1234.62]"
    assert display._number((0.5, 0.7, 0.3), False) == "0.5000 [empty]"


def test_a_table(x, rng):
    pytest.importorskip("pandas")
    table = say(Normal(0.5), 2, x, rng)[0].to_dataframe()
    assert len(table) == N
    assert {"mean_0", "mean_0_standard_error", "epistemic_1"} <= set(table.columns)


def test_a_table_has_names_and_units_where_they_are_known(x, rng):
    pytest.importorskip("pandas")
    said = say(Normal(0.5), 2, x, rng)[0]
    said.names, said.target_units = ("load", "cost"), {"load": "m/s"}
    table = said.to_dataframe()
    assert {"mean_load", "mean_cost_standard_error", "epistemic_load"} <= set(table.columns)
    units = table.attrs["units"]
    assert units["mean_load"] == units["mean_load_standard_error"] == "m/s"
    assert units["epistemic_load"] == units["epistemic_load_standard_error"] == "(m/s)²"
    assert all(name.split("_")[1] == "load" for name in units)
    np.testing.assert_array_equal(table["mean_cost"], said.mean[:, 1])
    ends = said.to_dataframe(level=0.9)
    np.testing.assert_array_equal(ends["lower_cost"], said.interval(0.9)[0][:, 1])
    np.testing.assert_array_equal(ends["upper_load"], said.interval(0.9)[1][:, 0])
    assert ends.attrs["units"] == units | {"lower_load": "m/s", "upper_load": "m/s"}
    assert "input | load (m/s) | cost\n" in repr(said)
    assert "<th>load (m/s)</th><th>cost</th>" in said._repr_html_()
    classes = say(Categorical(), 3, x, rng)[0]
    classes.names = ("cat", "dog", "owl")
    assert f"0 | {classes.names[classes.mean[0].argmax()]}: 0." in repr(classes)
    assert f"{classes.names[classes.mean[0].argmax()]}: 0." in classes._repr_html_()
    assert "mean_owl" in classes.to_dataframe()


def test_unusable_arguments(x, rng):
    with pytest.raises(ValueError, match=r"likelihood must be a likelihood object, got .*parenth"):
        bnn.predictive(model_of(1)[0], Normal, x)
    with pytest.raises(ValueError, match=r"level must lie strictly between 0 and 1, got 95"):
        say(Normal(0.5), 1, x, rng)[0].interval(95)
    inputs = keras.Input((3,))
    two = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    with pytest.raises(
        ValueError, match=r"needs a model with one output, got list; use bnn.predict"
    ):
        _ = bnn.predictive(two, Normal(0.5), x, 2, jit_compile=False).mean


def test_groups_of_arviz(rng, monkeypatch):
    x = rng.normal(size=(30, 2)).astype(np.float32)
    numbers = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(1)])
    said = bnn.predictive(numbers, Normal(0.5), x, 4)
    y = rng.normal(size=(30, 1))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "arviz_base", None)
        with pytest.raises(ImportError, match=r"to_arviz needs ArviZ, which is not installed; ins"):
            said.to_arviz()
    pytest.importorskip("arviz_base")
    groups = said.to_arviz(y, count=7)
    assert groups["posterior_predictive"]["y"].shape == (1, 7, 30, 1)
    np.testing.assert_array_equal(groups["posterior_predictive"]["y"][0], said.samples(7))
    np.testing.assert_array_equal(groups["observed_data"]["y"], y)


def test_targets_and_quantiles_of_another_number_are_refused():
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1)])
    said = bnn.predictive(model, Normal(0.3), np.ones((6, 3)), 2, jit_compile=False)
    for count in (3, 9):
        with pytest.raises(ValueError, match=r"targets must be as many as inputs, .*6, got shape"):
            said.log_prob(np.zeros((count, 1)))
    for q in ([0.1, 0.9], "half", None, True):
        with pytest.raises(ValueError, match=r"q must be one number strictly between 0 and 1, got"):
            said.quantile(q)
    assert said.quantile(np.float32(0.5)).shape == (6, 1)
