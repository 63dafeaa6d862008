"""Predictions made of propagated moments, and what they are refused for."""

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

import bnn
from bnn.likelihoods import Categorical, Normal
from bnn.predictive import propagate, propagate_covariance
from bnn.predictive.moment_samples import normal_points
from bnn.predictive.moments import propagate_leading
from tests.conftest import Z_LIMIT
from tests.predictive.moment_networks import two_layers, widened

K, L = keras.layers, bnn.layers


def test_points_fill_space_evenly():
    """Each point is normal over the seeds; means and products are exact, others' nearer."""
    seeds = np.stack([normal_points(64, (4,), seed).numpy()[:, 0] for seed in range(200)])
    first = seeds[:, 0].ravel()
    assert abs(first.mean()) * np.sqrt(first.size) < Z_LIMIT
    assert abs((first**2).mean() - 1) * np.sqrt(first.size / 2) < Z_LIMIT
    np.testing.assert_allclose(seeds.mean(axis=1), 0, atol=1e-6)
    products = np.einsum("rsi,rsj->rij", seeds, seeds) / 64
    np.testing.assert_allclose(products, np.tile(np.eye(4), (200, 1, 1)), atol=1e-5)
    more = np.stack([normal_points(64, (9,), seed).numpy()[:, 0, 8] for seed in range(200)])
    assert np.mean(((more**2).mean(axis=1) - 1) ** 2) < 0.2 * 2 / 64
    assert normal_points(1, (4,), 0).shape == (1, 1, 4)
    assert normal_points(3, (2, 5), 0).shape == (3, 1, 2, 5)
    assert normal_points(2, (30_000,), 0).shape == (2, 1, 30_000)


def test_a_covariance_is_of_few_outputs(rng):
    model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(101)])
    with pytest.raises(ValueError, match=r"outputs must have shape \[B, K\] with K at most 100"):
        propagate_covariance(model, np.zeros((1, 2)))
    x = rng.normal(size=(3, 2)).astype(np.float32)
    assert bnn.predictive(model, Categorical(), x, 4, method="moments").mean.shape == (3, 101)
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    np.testing.assert_array_equal(propagate_covariance(plain, x).covariance, 0)


def test_a_predictive_of_moments(rng):
    model = two_layers("relu", rng)
    x = rng.normal(size=(6, 2)).astype(np.float32)
    said = bnn.predictive(model, Normal(0.5), x, 1000, method="moments")
    known = propagate(model, x)
    error = said.standard_error("mean")
    assert np.abs((said.mean - known.mean) / error).max() < Z_LIMIT
    np.testing.assert_allclose(said.aleatoric, 0.25, rtol=1e-6)
    alone = bnn.predictive(model, Normal(0.5), x[2:3], 1000, method="moments")
    np.testing.assert_allclose(alone.mean[0], said.mean[2], rtol=1e-5, atol=1e-6)
    ours = bnn.predictive(model, Categorical(), x, 1000, method="moments", batch_size=4)
    deviation = np.sqrt(known.variance.numpy())
    logits = known.mean.numpy() + deviation * rng.standard_normal((20_000, 6, 2))
    exact = softmax(logits, axis=-1)
    error = np.hypot(ours.standard_error("mean"), exact.std(axis=0) / np.sqrt(20_000))
    assert np.abs((ours.mean - exact.mean(axis=0)) / error).max() < Z_LIMIT


def test_differences_to_the_likeliest_have_the_covariance_of_the_outputs(rng):
    hidden = [L.Dense(5, activation="relu"), L.Dense(6, activation="tanh")]
    model = widened(keras.Sequential([keras.Input((3,)), *hidden, L.Dense(5)]), rng)
    x = rng.normal(size=(4, 3)).astype(np.float32)
    said = propagate_leading(model, x, 3, True)
    mean, covariance = propagate_covariance(model, x)
    variance = propagate(model, x).variance.numpy()
    order = np.argsort(-mean, axis=1)
    for row, (first, *chosen) in enumerate(order[:, :3]):
        contrasts = np.eye(5)[chosen] - np.eye(5)[first]
        expected = contrasts @ covariance[row].numpy() @ contrasts.T
        np.testing.assert_allclose(said.block[row], expected, rtol=1e-3)
        np.testing.assert_array_equal(said.chosen[row], np.eye(5)[chosen])
        others = order[row, 3:]
        np.testing.assert_array_equal(said.others[row], np.eye(5)[others])
        alone = variance[row, others] + variance[row, first]
        np.testing.assert_allclose(said.variance.numpy()[row, others], alone, rtol=1e-5)
        assert np.abs(np.diag(expected) / variance[row, chosen] - 1).max() > 0.05  # of others


def test_drawn_classes_have_the_probabilities_of_their_normal(rng):
    """Of two classes all of the covariance counts; by quadrature over their difference."""
    hidden = L.Dense(5, activation="relu")
    model = widened(keras.Sequential([keras.Input((3,)), hidden, L.Dense(2)]), rng)
    x = rng.normal(size=(8, 3)).astype(np.float32)
    mean, covariance = (part.numpy().astype(np.float64) for part in propagate_covariance(model, x))
    variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1]
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    away = mean[:, 1] - mean[:, 0]

    def second(variance):
        return expit(away[:, None] + np.sqrt(variance)[:, None] * nodes) @ weights / weights.sum()

    said = bnn.predictive(model, Categorical(), x, 1024, method="moments")
    error = np.abs(said.mean[:, 1] - second(variance)).max()
    assert error < 2e-3
    independent = second(covariance[:, 0, 0] + covariance[:, 1, 1])
    assert np.abs(said.mean[:, 1] - independent).max() > 10 * error  # planted: no covariance


def test_what_moments_cannot_pass_is_named(rng):
    low_rank = bnn.posteriors.LowRankNormal(rank=1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            bnn.layers.Conv2D(2, 3, activation="softmax", name="soft"),
            keras.layers.LayerNormalization(name="normed"),
            keras.layers.MaxPooling2D(2, strides=1, padding="same", name="largest"),
            keras.layers.AveragePooling2D(2, padding="same", name="padded"),
            keras.layers.Flatten(),
            keras.layers.ReLU(max_value=6, name="six"),
            bnn.layers.Dense(2, kernel_posterior=low_rank, name="low"),
        ]
    )
    x = np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(ValueError, match=r"moments cannot pass 6 of the layers") as error:
        bnn.predictive(model, Categorical(), x, method="moments")
    for words in (
        "soft (activation softmax)",
        "normed (keras LayerNormalization)",
        "largest (max pooling with padding)",
        "padded (average pooling with padding)",
        "six (ReLU with max_value",
        "low (kernel of LowRankNormal, whose weights depend)",
        "method='samples'",
    ):
        assert words in str(error.value)
    inputs = keras.Input((3,))
    shared = keras.layers.Dense(3, name="twice")
    with pytest.raises(ValueError, match=r"its output is not that of one layer that is called onc"):
        propagate(keras.Model(inputs, shared(shared(inputs))), np.zeros((1, 3)))
    both = keras.Model(inputs, keras.layers.Dense(1, name="last")(shared(shared(inputs))))
    with pytest.raises(ValueError, match=r"last \(after an operation that is no layer, or a rep"):
        propagate(both, np.zeros((1, 3)))
    added = keras.Model(inputs, keras.layers.Dense(3, name="last")(inputs + 1.0))
    with pytest.raises(ValueError, match=r"last \(after an operation that is no layer"):
        propagate(added, np.zeros((1, 3)))
    dense = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"method must be 'samples' or 'moments', got 'laplace'"):
        bnn.predictive(dense, Normal(), np.zeros((1, 3)), method="laplace")
    with pytest.raises(ValueError, match=r"functions and tolerance must be None, and antithetic"):
        bnn.predictive(dense, Normal(), np.zeros((1, 3)), method="moments", tolerance=0.1)
    sums = K.Add(name="wider")([L.Dense(3)(inputs), L.Dense(1)(inputs)])
    steps = keras.Input((None, 3))
    most = K.GlobalMaxPooling1D(name="ever")(L.Dense(2)(steps))
    for given, end, words in (
        (inputs, sums, r"wider \(branches of different shapes\)"),
        (steps, most, r"ever \(the largest of more than 64, or of a number that is not fixed\)"),
    ):
        with pytest.raises(ValueError, match=words):
            propagate(keras.Model(given, L.Dense(1)(end)), np.zeros((1, 2, 3)))
