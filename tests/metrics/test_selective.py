import itertools

import numpy as np
import pytest

from bnn import metrics


def curve(order, loss):
    return [np.mean([loss[i] for i in order[: n + 1]]) for n in range(len(order))]


def test_curve_against_the_definition():
    rng = np.random.default_rng(0)
    uncertainty, loss = rng.normal(size=50), rng.integers(0, 2, size=50)
    actual = metrics.risk_coverage(uncertainty, loss)
    np.testing.assert_allclose(actual.coverage, np.arange(1, 51) / 50, rtol=1e-15)
    np.testing.assert_allclose(actual.risk, curve(np.argsort(uncertainty), loss), rtol=1e-12)
    assert metrics.aurc(uncertainty, loss) == pytest.approx(np.mean(actual.risk), rel=1e-12)


def test_ties_are_the_mean_over_all_their_orders():
    uncertainty, loss = [0.1, 0.5, 0.5, 0.5, 0.9], [0.0, 1.0, 0.0, 3.0, 2.0]
    orders = [(0, *middle, 4) for middle in itertools.permutations((1, 2, 3))]
    expected = np.mean([curve(order, loss) for order in orders], axis=0)
    np.testing.assert_allclose(metrics.risk_coverage(uncertainty, loss).risk, expected, rtol=1e-12)


def test_all_tied_is_the_mean_loss_at_every_coverage():
    loss = [1.0, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(metrics.risk_coverage([0.3] * 4, loss).risk, [0.5] * 4)
    assert metrics.aurc([0.3] * 4, loss) == pytest.approx(0.5)


@pytest.mark.parametrize("errors", [1, 3, 10])
def test_perfect_and_worst_order_in_closed_form(errors):
    size = 10
    loss = np.array([0.0] * (size - errors) + [1.0] * errors)
    n = np.arange(1, size + 1)
    best = np.mean(np.maximum(n - (size - errors), 0) / n)
    worst = np.mean(np.minimum(n, errors) / n)
    assert metrics.aurc(n, loss) == pytest.approx(best, rel=1e-12)
    assert metrics.aurc(-n, loss) == pytest.approx(worst, rel=1e-12)
    assert metrics.excess_aurc(n, loss) == pytest.approx(0.0, abs=1e-12)
    assert metrics.excess_aurc(-n, loss) == pytest.approx(worst - best, rel=1e-12, abs=1e-15)


def test_the_last_risk_is_the_mean_loss_whatever_the_score():
    rng = np.random.default_rng(1)
    loss = rng.exponential(size=30)
    for uncertainty in (rng.normal(size=30), rng.integers(0, 3, 30).astype(float)):
        assert metrics.risk_coverage(uncertainty, loss).risk[-1] == pytest.approx(loss.mean())


def test_only_the_order_of_the_uncertainty_counts():
    rng = np.random.default_rng(2)
    uncertainty, loss = rng.uniform(size=40), rng.uniform(size=40)
    assert metrics.aurc(np.exp(5 * uncertainty), loss) == pytest.approx(
        metrics.aurc(uncertainty, loss), rel=1e-12
    )


def test_scores_of_uncertainty(classification):
    log_probs, _, mean = classification
    scores = metrics.uncertainty_scores(log_probs)
    assert list(scores) == ["max_probability", "entropy", "mutual_information"]
    np.testing.assert_allclose(scores["max_probability"], 1 - mean.max(axis=-1), rtol=1e-9)
    np.testing.assert_array_equal(scores["entropy"], metrics.predictive_entropy(log_probs))
    np.testing.assert_array_equal(
        scores["mutual_information"], metrics.epistemic_entropy(log_probs)
    )


def test_the_score_of_a_sure_prediction_keeps_its_digits():
    log_probs = np.array([[[np.log1p(-1e-18), np.log(1e-18)]]])
    assert metrics.uncertainty_scores(log_probs)["max_probability"] >= 0.0
    half = np.array([[[-1e-12, np.log(1e-12)]]])
    assert metrics.uncertainty_scores(half)["max_probability"] == pytest.approx(1e-12, rel=1e-6)
