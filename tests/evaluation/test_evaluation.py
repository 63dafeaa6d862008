import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from bnn import metrics
from bnn.data import Dataset
from bnn.data.assemble import regression_dataset
from bnn.evaluation import evaluate, evaluation_of, headline, judge, judged
from bnn.likelihoods import Categorical, HeteroscedasticNormal, Normal


@pytest.fixture
def classes(rng):
    x = rng.normal(size=(12, 2)).astype(np.float32)
    y = rng.integers(0, 3, 12).astype(np.int32)
    empty = (x[:0], y[:0])
    parts = {"x_valid": empty[0], "y_valid": empty[1], "x_test": x[:8], "y_test": y[:8]}
    return Dataset(name="toy", x_train=x, y_train=y, num_classes=3, **parts)


@pytest.fixture
def values(rng):
    """Two targets of very different units."""
    x = rng.normal(size=(40, 2))
    y = rng.normal(size=(40, 2)) * [50.0, 0.02] + [-300.0, 7.0]
    return regression_dataset("toy", (x[:25], y[:25]), (x[25:], y[25:]))


def test_classification_is_the_metrics_of_the_log_probabilities(rng, classes):
    samples = tf.constant(rng.normal(size=(5, 8, 3)), tf.float32)
    log_probs = special.log_softmax(samples.numpy().astype(np.float64), axis=-1)
    y = classes.y_test
    expected = {
        "nll": metrics.nll(log_probs, y),
        "accuracy": metrics.accuracy(log_probs, y),
        "error": metrics.error(log_probs, y),
        "brier": metrics.brier(log_probs, y),
        "ece": metrics.ece(log_probs, y),
        "ece_equal_mass": metrics.ece_equal_mass(log_probs, y),
        "ece_classwise": metrics.ece_classwise(log_probs, y),
        "ece_adaptive": metrics.ece_adaptive(log_probs, y),
        "aurc": metrics.aurc(
            metrics.uncertainty_scores(log_probs)["max_probability"],
            metrics.predictive_log_probs(log_probs).argmax(axis=-1) != y,
        ),
        "predictive_entropy": np.mean(metrics.predictive_entropy(log_probs)),
        "aleatoric_entropy": np.mean(metrics.aleatoric_entropy(log_probs)),
        "epistemic_entropy": np.mean(metrics.epistemic_entropy(log_probs)),
    }
    got = evaluate(Categorical(), samples, y, classes)
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert all(type(value) is float for value in got.values())


def test_the_predictive_distribution_is_the_mixture_of_the_samples(rng, classes):
    samples = tf.constant(rng.normal(size=(5, 8, 3)), tf.float32)
    mixture = special.softmax(samples.numpy(), axis=-1).mean(axis=0)
    got = evaluate(Categorical(), samples, classes.y_test, classes)
    right = mixture[np.arange(8), classes.y_test]
    assert got["nll"] == pytest.approx(-np.mean(np.log(right)), rel=1e-5)
    assert got["accuracy"] == np.mean(mixture.argmax(axis=-1) == classes.y_test)
    entropy = stats.entropy(mixture, axis=-1).mean()
    assert got["predictive_entropy"] == pytest.approx(entropy, rel=1e-5)
    assert got["aleatoric_entropy"] + got["epistemic_entropy"] == pytest.approx(
        got["predictive_entropy"], rel=1e-5
    )


LIKELIHOODS = {"one_scale": Normal(0.3), "scale_by_input": HeteroscedasticNormal()}


@pytest.mark.parametrize("likelihood", LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_regression_is_the_metrics_of_components_in_own_units(rng, values, likelihood):
    likelihood.build(2)
    samples = tf.constant(rng.normal(size=(6, 15, likelihood.num_outputs(2))), tf.float32)
    test = judged(likelihood, samples, values.y_test, values)
    loc, scale, targets = test.samples["loc"], test.samples["scale"], test.examples["targets"]
    assert loc.shape == scale.shape == (6, 15, 2)
    standard_loc, standard_scale = (a.numpy() for a in likelihood.parameters(samples))
    np.testing.assert_allclose(
        loc, standard_loc * values.target_scale + values.target_loc, rtol=1e-5
    )
    np.testing.assert_allclose(
        scale, np.broadcast_to(standard_scale, loc.shape) * values.target_scale, rtol=1e-5
    )
    np.testing.assert_allclose(targets, values.to_own_units(values.y_test), rtol=1e-12)
    variance = metrics.predictive_variance(loc, scale)
    of_each = {
        "rmse": metrics.rmse(loc, targets),
        "crps": metrics.crps(loc, scale, targets),
        "coverage_50": metrics.interval_coverage(loc, scale, targets, 0.5),
        "coverage_95": metrics.interval_coverage(loc, scale, targets, 0.95),
        "quantile_calibration_error": metrics.quantile_calibration_error(loc, scale, targets),
        "sharpness": metrics.sharpness(loc, scale),
        "aleatoric_std": np.sqrt(np.mean(variance.aleatoric, axis=0)),
        "epistemic_std": np.sqrt(np.mean(variance.epistemic, axis=0)),
    }
    joint = metrics.log_likelihood(loc, scale, targets)
    expected = {"nll": -joint, "log_likelihood": joint}
    for name, each in of_each.items():
        expected |= {f"{name}/target_0": each[0], f"{name}/target_1": each[1]}
    got = evaluate(likelihood, samples, values.y_test, values)
    assert got == pytest.approx(expected, rel=1e-12)
    assert all(type(value) is float for value in got.values())


@pytest.mark.parametrize("likelihood", LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_densities_change_with_the_units_as_densities_do(rng, values, likelihood):
    """ln p(y) = ln p((y − m) / s) − Σ_d ln s_d, with the density of the standardised mixture."""
    likelihood.build(2)
    samples = tf.constant(rng.normal(size=(6, 15, likelihood.num_outputs(2))), tf.float32)
    loc, scale = (a.numpy().astype(np.float64) for a in likelihood.parameters(samples))
    log_density = stats.norm(loc, scale).logpdf(values.y_test).sum(axis=-1)
    standard = np.mean(special.logsumexp(log_density, axis=0) - np.log(6))
    got = evaluate(likelihood, samples, values.y_test, values)
    assert got["log_likelihood"] == pytest.approx(
        standard - np.sum(np.log(values.target_scale)), rel=1e-4
    )


def test_errors_scale_with_the_units(rng):
    """The same fit to targets in other units: errors in them, coverage untouched."""
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(40, 1))
    likelihood = Normal(0.3)
    likelihood.build(1)
    samples = tf.constant(rng.normal(size=(4, 15, 1)), tf.float32)
    small, large = (
        evaluate(likelihood, samples, data.y_test, data)
        for data in (
            regression_dataset("toy", (x[:25], unit * y[:25]), (x[25:], unit * y[25:]))
            for unit in (1.0, 1000.0)
        )
    )
    for name in ("rmse", "crps", "sharpness", "aleatoric_std", "epistemic_std"):
        assert large[name] == pytest.approx(1000 * small[name], rel=1e-4), name
    for name in ("coverage_50", "coverage_95"):
        assert large[name] == small[name], name
    assert large["nll"] == pytest.approx(small["nll"] + np.log(1000), rel=1e-4)


def test_headline_metrics_of_classes(rng, classes):
    samples = tf.constant(rng.normal(size=(5, 8, 3)), tf.float32)
    everything = evaluate(Categorical(), samples, classes.y_test, classes)
    got = headline(Categorical(), samples, classes.y_test, classes)
    assert got == {name: everything[name] for name in ("nll", "accuracy", "ece")}


def test_headline_metrics_of_values(rng, values):
    likelihood = Normal(0.3)
    likelihood.build(2)
    samples = tf.constant(rng.normal(size=(6, 15, 2)), tf.float32)
    everything = evaluate(likelihood, samples, values.y_test, values)
    got = headline(likelihood, samples, values.y_test, values)
    assert got == {name: everything[name] for name in ("nll", "rmse/target_0", "rmse/target_1")}


def block_by_block(likelihood, samples, data, monkeypatch, size):
    """The evaluation of the same samples in blocks of so many inputs."""
    outputs = samples.shape[2]
    monkeypatch.setattr("bnn.evaluation.blocks._BLOCK", 4 * len(samples) * outputs * size)
    seen = []

    def predict(inputs):
        first = sum(seen)
        seen.append(len(inputs))
        return samples[:, first : first + len(inputs)]

    options = {"num_samples": len(samples), "num_outputs": outputs}
    test = judge(predict, likelihood, data.x_test, data.y_test, data, **options)
    assert max(seen) <= size
    return test


@pytest.mark.parametrize("size", [1, 3, 100])
def test_blocks_of_labels_are_the_whole(rng, classes, monkeypatch, size):
    samples = tf.constant(rng.normal(size=(5, 8, 3)), tf.float32)
    test = block_by_block(Categorical(), samples, classes, monkeypatch, size)
    whole = judged(Categorical(), samples, classes.y_test, classes)
    got = evaluation_of(Categorical()).metrics(test.examples)
    expected = evaluate(Categorical(), samples, classes.y_test, classes)
    assert got == pytest.approx(expected, rel=1e-6)  # float32 of other vector lengths
    np.testing.assert_allclose(
        test.samples["log_probs"], whole.samples["log_probs"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("likelihood", LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_blocks_of_values_are_the_whole(rng, values, likelihood, monkeypatch):
    likelihood.build(2)
    samples = tf.constant(rng.normal(size=(6, 15, likelihood.num_outputs(2))), tf.float32)
    test = block_by_block(likelihood, samples, values, monkeypatch, 4)
    got = evaluation_of(likelihood).metrics(test.examples)
    assert got == pytest.approx(evaluate(likelihood, samples, values.y_test, values), rel=1e-12)


def test_samples_that_are_too_large_are_not_kept(rng, classes, monkeypatch):
    samples = tf.constant(rng.normal(size=(5, 8, 3)), tf.float32)
    monkeypatch.setattr("bnn.evaluation.blocks._KEPT", 4 * 5 * 8 * 3 - 1)
    test = block_by_block(Categorical(), samples, classes, monkeypatch, 3)
    assert test.samples is None
    assert test.examples["score/entropy"].shape == (8,)


def test_a_task_without_an_evaluation_is_named():
    class Other(Categorical):
        task = "ranking"

    with pytest.raises(ValueError, match=r"Other is for 'ranking', which has no evaluation; there"):
        evaluation_of(Other())
