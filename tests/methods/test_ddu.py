"""DDU: densities by SciPy, and inputs far away that are told apart."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bnn
from bnn.data import Batch
from bnn.methods import DDU


@pytest.fixture
def method():
    made = s.built(DDU(jitter=1e-2), optimizer="sgd")
    s_steps(made)
    made.finish(s.batches())
    return made


def s_steps(method, count=3):
    for step in range(count):
        method.step(s.batches().at(step), s.noise_of(step), lambda f: f)


def test_the_density_is_that_of_scipy(method):
    x, y = s.data()
    features = np.asarray(method.problem.model.layers[0](x), np.float64)
    np.testing.assert_allclose(method.features(x), features, atol=1e-6)
    classes = [features[y == c] for c in range(2)]
    within = np.mean([np.mean((f - f.mean(0)) ** 2) for f in classes])
    each = [
        np.log(len(f) / len(features))
        + multivariate_normal(
            f.mean(0), np.cov(f.T, bias=True) + (1e-2 * within + 1e-12) * np.eye(4)
        ).logpdf(features)
        for f in classes
    ]
    np.testing.assert_allclose(method.log_density(x), logsumexp(each, axis=0), rtol=1e-5)


class Whole:
    """All examples in one batch, with weights."""

    def __init__(self, *parts):
        self.parts = [tf.constant(part) for part in parts]

    def full(self):
        yield Batch(*self.parts)


def test_an_example_of_weight_two_counts_as_two(method):
    x, y = s.data()
    twice = np.where(np.arange(len(x)) % 3 == 0, 2, 1)
    method.finish(Whole(x, y, twice.astype(np.float32)))
    weighted = method.log_density(x)
    method.finish(
        Whole(np.repeat(x, twice, axis=0), np.repeat(y, twice), np.ones(twice.sum(), "f"))
    )
    np.testing.assert_allclose(weighted, method.log_density(x), rtol=1e-6)
    method.finish(Whole(x, y, np.ones(len(x), np.float32)))
    assert np.abs(weighted - method.log_density(x)).max() > 1e-2


def test_labels_as_probabilities_are_labels(method):
    """As a mixup gives them."""
    x, y = s.data()
    method.finish(Whole(x, y))
    of_labels = method.log_density(x)
    method.finish(Whole(x, np.eye(2, dtype=np.float32)[y]))
    np.testing.assert_array_equal(method.log_density(x), of_labels)


def test_inputs_far_away_are_less_dense(method):
    x = s.data()[0]
    assert np.max(method.log_density(x + 8.0)) < np.min(method.log_density(x))


def test_predictions_are_those_of_the_network(method):
    x = s.data()[0]
    outputs = method.predict(x, 8, seed=0).numpy()
    np.testing.assert_allclose(outputs[0], method.problem.model(x), atol=1e-6)
    assert np.ptp(outputs, axis=0).max() == 0


def test_what_it_cannot_serve_is_refused():
    with pytest.raises(ValueError, match="needs classes, the likelihood Categorical"):
        s.built(DDU(), optimizer="sgd", likelihood=bnn.likelihoods.Normal())
    with pytest.raises(RuntimeError, match="DDU has no densities yet: end the training"):
        s.built(DDU(), optimizer="sgd").log_density(s.data()[0])
    with pytest.raises(ValueError, match=r"jitter must be positive, got 0\.0"):
        DDU(jitter=0.0)
    with bnn.posteriors.points():
        model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"a training example of every class, got none of \[2\]"):
        s.built(DDU(), model=model, optimizer="sgd").finish(s.batches())
