"""Recalibration: the optimum against independent ones, known maps recovered, refusals."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from bnn import metrics
from bnn.predictive import (
    LAC,
    Calibration,
    IsotonicScaling,
    MatrixScaling,
    TemperatureScaling,
    VectorScaling,
)

N, C = 4000, 4
ALL = [TemperatureScaling, VectorScaling, MatrixScaling, IsotonicScaling]


def labels_of(probs, rng):
    return (rng.uniform(size=(len(probs), 1)) > np.cumsum(probs, axis=1)[:, :-1]).sum(axis=1)


@pytest.fixture(scope="module")
def overconfident():
    """Predictions that are twice too sure: true p ∝ exp(ln p̂/2)."""
    rng = np.random.default_rng(5)
    logits = 2 * rng.normal(size=(2 * N, C))
    probs = softmax(2 * logits, axis=1)
    labels = labels_of(softmax(logits, axis=1), rng)
    return probs[:N], labels[:N], probs[N:], labels[N:]


def nll(probs, labels):
    return -np.log(probs[np.arange(len(labels)), labels]).mean()


def test_temperature(overconfident):
    """The optimum of a line search; the truth within 6 standard errors by the information."""
    probs, labels, _, _ = overconfident
    scaling = TemperatureScaling().fit(probs, labels)
    logs = np.log(probs)
    line = minimize_scalar(
        lambda b: -log_softmax(b * logs, axis=1)[np.arange(N), labels].mean(), (0.1, 1)
    )
    np.testing.assert_allclose(1 / scaling.temperature, line.x, rtol=1e-5)
    mapped = softmax(0.5 * logs, axis=1)
    variance = (mapped * logs**2).sum(1) - (mapped * logs).sum(1) ** 2
    assert abs(1 / scaling.temperature - 0.5) * np.sqrt(variance.sum()) < 6
    assert np.array_equal(scaling(probs).argmax(1), probs.argmax(1))
    # Planted: probabilities raised to T in place of 1/T fit worse than doing nothing.
    wrong = softmax(scaling.temperature * logs, axis=1)
    assert nll(wrong, labels) > nll(probs, labels) > nll(scaling(probs), labels)


def test_vector_and_matrix_recover_a_known_map():
    """Labels of a map that is in the family: no other member does better by more than noise."""
    rng = np.random.default_rng(7)
    probs = softmax(rng.normal(size=(N, C)), axis=1)
    weights, offset = np.array([0.5, 1.0, 2.0, 1.5]), np.array([0.5, -0.5, 0.0, 0.0])
    truth = softmax(np.log(probs) * weights + offset, axis=1)
    labels = labels_of(truth, rng)
    for scaling, size in ((VectorScaling(), 2 * C), (MatrixScaling(0.0), C * C + C)):
        # Twice the gain of the maximum over the truth is χ² (Wilks), at most of `size` numbers.
        gain = 2 * N * (nll(truth, labels) - nll(scaling.fit(probs, labels)(probs), labels))
        assert 0 <= gain < size + 6 * np.sqrt(2 * size), scaling
        assert np.abs(scaling(probs) - truth).mean() < 0.02


def test_matrix_scaling_is_logistic_regression():
    rng = np.random.default_rng(8)
    probs = softmax(rng.normal(size=(500, 3)), axis=1)
    labels = labels_of(probs, rng)
    theirs = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(np.log(probs), labels)
    ours = MatrixScaling(0.0).fit(probs, labels)
    np.testing.assert_allclose(ours(probs), theirs.predict_proba(np.log(probs)), atol=1e-4)
    held = MatrixScaling(1e6).fit(probs, labels).state
    np.testing.assert_allclose(held["offset"], 0, atol=1e-5)
    np.testing.assert_allclose(held["kernel"], np.diag(np.diag(held["kernel"])), atol=1e-5)


def test_isotonic_is_an_average_over_pools():
    """One class against the rest: the mean label of every pool, in two classes of known order."""
    p = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9])
    labels = np.array([0, 1, 0, 0, 1, 1])  # the violators 1, 0, 0 pool to ⅓
    mapped = IsotonicScaling().fit(np.stack([1 - p, p], axis=1), labels)
    found = mapped(np.stack([1 - p, p], axis=1))[:, 1]
    np.testing.assert_allclose(found, [0, 1 / 3, 1 / 3, 1 / 3, 1, 1])


@pytest.mark.parametrize("kind", ALL)
def test_held_out_calibration_is_better(overconfident, kind):
    probs, labels, others, their_labels = overconfident
    scaling = kind().fit(probs, labels)
    mapped = scaling(others)
    np.testing.assert_allclose(mapped.sum(axis=1), 1)

    def error(p):
        with np.errstate(divide="ignore"):
            return metrics.ece(np.log(p)[np.newaxis], their_labels)

    assert error(mapped) < 0.25 * error(others)


@pytest.mark.parametrize("kind", ALL)
def test_refusals_of_scaling(overconfident, kind):
    probs, labels, _, _ = overconfident
    with pytest.raises(ValueError, match=r"must be fitted first; call fit with"):
        kind()(probs)
    with pytest.raises(ValueError, match=r"probs must have shape \[N, C\] with at least 2"):
        kind().fit(probs[:, 0], labels)
    with pytest.raises(ValueError, match=r"probabilities that sum to 1, got a sum of .* in row 0"):
        kind().fit(np.log(probs), labels)
    with pytest.raises(ValueError, match=r"labels must be integers of shape \(4000,\), got"):
        kind().fit(probs, labels[:5])
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 4\), got 1 to 4"):
        kind().fit(probs, np.clip(labels + 1, 1, 4))
    with pytest.raises(ValueError, match=r"the 4 classes that .* was fitted to, got 3"):
        kind().fit(probs, labels)(np.full((2, 3), 1 / 3))
    if kind is not TemperatureScaling:
        with pytest.raises(ValueError, match=r"example of every class, got none of class 3; use T"):
            kind().fit(probs, np.minimum(labels, 2))


def test_refusals_of_an_optimum():
    with pytest.raises(ValueError, match=r"optimum at no positive temperature: on these"):
        TemperatureScaling().fit(np.tile([0.9, 0.1], (4, 1)), np.array([1, 1, 0, 1]))
    with pytest.raises(ValueError, match=r"penalty must be a finite number of at least 0, got -1"):
        MatrixScaling(-1)


@pytest.mark.parametrize("kind", ALL)
def test_examples_without_an_error_are_refused_with_what_to_do(kind, overconfident):
    """The isotonic steps gave every label probability 1; a map of before stays."""
    probs, labels = (part[:60] for part in overconfident[:2])
    scaling = kind()
    if kind is IsotonicScaling:  # the one that has its steps before it refuses
        scaling.fit(probs, labels)
    before = scaling.state
    sure = softmax(20 * np.eye(C)[labels] + np.log(probs), axis=1)
    assert (sure.argmax(axis=1) == labels).all()
    words = (
        r"predicts none of them wrong, .* or leave the scaling out: .*\(conformal=LAC\(0.9\) alone"
    )
    with pytest.raises(ValueError, match=words):
        scaling.fit(sure, labels)
    assert scaling.state is before
    with pytest.raises(ValueError, match=rf"{words}.* half of the 60 examples"):
        Calibration(kind(), LAC(0.9)).fit(sure, labels)
    wrong = np.where(np.arange(60) % 20 == 0, (labels + 1) % C, labels)
    TemperatureScaling().fit(sure, wrong)  # with some wrong there is something to fit


def test_an_optimum_out_of_reach_is_no_separation():
    """Probabilities that are nearly equal, and such as are wrong every time."""
    rng = np.random.default_rng(3)
    truth = softmax(rng.normal(size=(300, 2)), axis=1)
    labels, nearly = labels_of(truth, rng), softmax(1e-3 * np.log(truth), axis=1)
    for kind, remedy in (
        (TemperatureScaling, "the probabilities are nearly equal; look at the model first"),
        (VectorScaling, "use TemperatureScaling, which has fewer, or give more examples"),
    ):
        with pytest.raises(
            ValueError, match=rf"up to 100, though \d+ are predicted wrong; {remedy}"
        ):
            kind().fit(nearly, labels)
    with pytest.raises(ValueError, match=r"optimum at no positive temperature"):
        TemperatureScaling().fit(np.tile([0.1, 0.9], (4, 1)), np.zeros(4, int))


def test_the_temperature_of_ever_more_samples(rng):
    """From 8 samples, nearly that of 2,000; 12 repetitions. Planted: without the correction."""
    truth = 2.0 * rng.normal(size=(1500, 3))
    labels = np.array([rng.choice(3, p=p) for p in softmax(truth, axis=1)])
    samples = 2.5 * truth + 1.5 * rng.normal(size=(2000, 1500, 3))
    log_probs = np.log(softmax(samples, axis=2))
    limit = TemperatureScaling().fit(np.exp(log_probs).mean(axis=0), labels).temperature
    plain, corrected = [], []
    for part in np.split(log_probs[:96], 12):
        plain.append(TemperatureScaling().fit(np.exp(part).mean(axis=0), labels).temperature)
        corrected.append(TemperatureScaling().fit_samples(part, labels).temperature)
    error = np.std(corrected, ddof=1) / np.sqrt(12)
    assert abs(np.mean(plain) - limit) > 6 * np.std(plain, ddof=1) / np.sqrt(12)
    assert abs(np.mean(corrected) - limit) < 0.35 * abs(np.mean(plain) - limit)
    assert abs(np.mean(corrected) - limit) < 6 * error + 0.1 * abs(np.mean(plain) - limit)
    with pytest.raises(ValueError, match=r"log_probs must be \[S, N, C\] with S at least groups"):
        TemperatureScaling().fit_samples(log_probs[:4], labels)


def test_what_refuses_keeps_what_it_was_fitted_to_before(overconfident):
    """Planted: a state that is emptied, or taken from the fit that is refused."""
    probs, labels, _, _ = overconfident
    backwards = (labels + 1) % C  # the probabilities say less than nothing of these
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(40, 3))
    few = np.array([rng.choice(3, p=p) for p in softmax(truth, axis=1)])
    disagreeing = np.log(softmax(truth + 4 * rng.normal(size=(2, 40, 3)), axis=2))
    for refuse, words in [
        (lambda it: it.fit(probs, backwards), "no positive temperature"),
        (lambda it: it.fit_samples(np.log(probs)[None].repeat(4, 0), backwards, 2), "no positive"),
        (lambda it: it.fit_samples(disagreeing, few, 2), "the temperature must be positive, got -"),
    ]:
        scaling = TemperatureScaling().fit(probs, labels)
        before = scaling(probs)
        with pytest.raises(ValueError, match=words):
            refuse(scaling)
        np.testing.assert_array_equal(scaling(probs), before)


def test_a_map_and_a_rule_are_fitted_both_or_neither(overconfident):
    """A rule's guarantee is of the map that it was fitted behind."""
    probs, labels, _, _ = overconfident
    both = Calibration(TemperatureScaling(), LAC(0.9)).fit(probs, labels)
    before = both.sets(probs)
    few = np.r_[:12]  # six for the map, and six are too few for the rule
    with pytest.raises(ValueError, match=r"needs at least 9 calibration examples"):
        both.fit(probs[few], labels[few])
    np.testing.assert_array_equal(both.sets(probs), before)
