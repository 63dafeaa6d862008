"""Scores of a pool: known mutual informations, and what tells them from one another."""

import types

import keras
import numpy as np
import pytest
from scipy.stats import entropy

import bnn
from bnn import metrics
from bnn.likelihoods import Categorical, Normal
from bnn.predictive import (
    bald,
    disagreement,
    expected_entropy,
    predictive_variance,
    thompson,
    top_k,
)
from tests.conftest import Z_LIMIT
from tests.predictive.test_predictive import Shifts


@pytest.fixture(scope="module")
def three_kinds():
    """Two functions, which agree and are sure, agree that it is noise, and disagree."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    big = 40.0
    kernels = np.array([[[big, 0], [big, 0]], [[big, 0], [0, big]]], np.float32)
    x = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], np.float32)
    functions = Shifts(model.layers[-1].kernel, kernels)
    return bnn.predictive(model, Categorical(), x, functions=functions, jit_compile=False)


def test_scores_of_known_predictions(three_kinds):
    np.testing.assert_allclose(bald(three_kinds), [0, 0, np.log(2)], atol=1e-9)
    np.testing.assert_allclose(expected_entropy(three_kinds), [0, np.log(2), 0], atol=1e-9)
    np.testing.assert_allclose(predictive_variance(three_kinds), [0, 0.5, 0.5], atol=1e-9)
    assert top_k(bald(three_kinds), 1) == [2]
    assert top_k(expected_entropy(three_kinds), 1) == [1]
    # Planted: the whole entropy in place of the information cannot tell noise from ignorance.
    np.testing.assert_allclose(three_kinds.total[1], three_kinds.total[2], rtol=1e-9)


def test_bald_is_the_metric_of_the_samples(rng):
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(4)])
    x = 5 * rng.normal(size=(20, 3)).astype(np.float32)
    said = bnn.predictive(model, Categorical(), x, 16, jit_compile=False)
    log_probs = Categorical().log_probs(bnn.predict(model, x, 16, jit_compile=False))
    ours = metrics.epistemic_entropy(np.asarray(log_probs, np.float64))
    np.testing.assert_allclose(bald(said), ours, rtol=1e-3, atol=1e-7)


def test_numbers(rng):
    """A normal mean of variance x²: the information is ½ ln(1 + x²/0.25)."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    values = rng.normal(size=(4000, 1, 1)).astype(np.float32)
    values = (values - values.mean()) / values.std()
    functions = Shifts(model.layers[-1].kernel, values)
    x = np.array([[0.0], [0.5], [2.0]], np.float32)
    said = bnn.predictive(model, Normal(0.5), x, functions=functions, jit_compile=False)
    exact = 0.5 * np.log1p(x[:, 0] ** 2 / 0.25)
    np.testing.assert_allclose(bald(said), exact, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(predictive_variance(said), 0.25 + x[:, 0] ** 2, rtol=1e-4)
    with pytest.raises(ValueError, match=r"expected_entropy is of classes, got Normal; use bald"):
        expected_entropy(said)
    wide = keras.Sequential([keras.Input((1,)), bnn.layers.Dense(2)])
    two = bnn.predictive(wide, Normal(0.5), x, 4, jit_compile=False)
    with pytest.raises(ValueError, match=r"column must be given, one of 0 to 1: variances of sev"):
        predictive_variance(two)
    np.testing.assert_array_equal(predictive_variance(two, 1), two.total[:, 1])


def test_the_largest():
    assert top_k([1.0, 3.0, 2.0, 3.0], 3).tolist() == [1, 3, 2]
    for scores in ([1.0, np.nan], [[1.0]]):
        with pytest.raises(ValueError, match=r"scores must be finite numbers \[N\], one an input"):
            top_k(scores, 1)
    for k in (0, 5, True, 1.0):
        with pytest.raises(ValueError, match=r"k must be an integer from 1 to 4, got"):
            top_k(np.zeros(4), k)


def test_disagreement_is_information_by_function(rng):
    logits = 3 * rng.normal(size=(6, 5, 4))
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    each = disagreement(log_probs)
    assert each.shape == (6, 5)
    np.testing.assert_allclose(each.mean(axis=0), metrics.epistemic_entropy(log_probs), rtol=1e-6)
    by_scipy = entropy(np.exp(log_probs), np.exp(log_probs).mean(axis=0), axis=-1)
    np.testing.assert_allclose(each, by_scipy, rtol=1e-9)
    np.testing.assert_array_equal(disagreement(np.array([[[0.0, -np.inf]]] * 2)), 0)
    with pytest.raises(ValueError, match=r"log_probs must have shape \[S, N, C\], of every fun"):
        disagreement(log_probs[0])


def test_thompson_takes_each_functions_best_that_is_left():
    scores = np.array([[0.0, 2.0, 1.0], [0.0, 3.0, 1.0], [5.0, 6.0, 7.0]])
    assert thompson(scores, 2).tolist() == [1, 2]
    assert thompson(scores, 3).tolist() == [1, 2, 0]
    np.testing.assert_array_equal(scores[1], [0.0, 3.0, 1.0])  # the caller's own
    for k in (0, 4):
        with pytest.raises(ValueError, match=r"k must be an integer from 1 to 3, got"):
            thompson(scores, k)
    with pytest.raises(ValueError, match=r"scores must be finite numbers \[S, N\], one a function"):
        thompson(scores[0], 1)


def test_thompson_takes_an_input_as_often_as_functions_find_it_best(rng):
    """y = w x with w ~ N(0, 1) on {−1, 1}: either end is best for half of the functions."""
    x = np.array([-1.0, 1.0, 0.0])
    first = [thompson(rng.normal(size=(1, 1)) * x, 1)[0] for _ in range(4000)]
    share = np.bincount(first, minlength=3) / 4000
    assert abs(share[0] - 0.5) / np.sqrt(0.25 / 4000) < Z_LIMIT
    assert share[2] == 0


def test_logits_are_no_log_probabilities(rng):
    with pytest.raises(
        ValueError, match=r"log_probs must be logarithms of prob.* function 0 in row"
    ):
        disagreement(rng.normal(size=(4, 5, 3)))


@pytest.mark.parametrize("column", [-1, 2, True, 0.0])
def test_a_column_that_is_not_there(column):
    said = types.SimpleNamespace(likelihood=Normal(), total=np.ones((4, 2)))
    with pytest.raises(ValueError, match=f"column must be from 0 to 1, got {column!r}"):
        predictive_variance(said, column)
