"""Effective sample sizes, and z-scores of dependent draws."""

import numpy as np
import pytest
from scipy import signal

from bnn.diagnostics import Law, Verdict
from bnn.diagnostics.chains import chain_row, effective_sample_size, law_rows

LEVEL = 1e-7


def autoregressive(correlation, size=200_000, columns=3, seed=0):
    """x_t = r x_{t−1} + √(1 − r²) ε: N(0, 1) with ρ_t = rᵗ."""
    noise = np.random.default_rng(seed).normal(size=(size, columns))
    noise[1:] *= np.sqrt(1 - correlation**2)
    return signal.lfilter([1.0], [1.0, -correlation], noise, axis=0)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.97])
def test_the_effective_size_of_an_autoregression(correlation):
    """n (1 − r) / (1 + r); of its squares, whose correlation is r²ᵗ, with r²."""
    chain = autoregressive(correlation)
    for series, r in ((chain, correlation), (chain**2, correlation**2)):
        np.testing.assert_allclose(
            effective_sample_size(series) / len(series), (1 - r) / (1 + r), rtol=0.15
        )


def test_the_effective_size_of_repeated_draws_is_their_number():
    draws = np.random.default_rng(0).normal(size=(2000, 2))
    sizes = effective_sample_size(np.repeat(draws, 8, axis=0))
    np.testing.assert_allclose(sizes, 2000, rtol=0.15)


def test_the_effective_size_is_at_most_n_and_one_for_a_constant():
    alternating = np.where(np.arange(999) % 2, 1.0, -1.0) + np.linspace(0, 0.01, 999)
    chain = np.stack([alternating, np.ones(999)], axis=1)
    np.testing.assert_array_equal(effective_sample_size(chain), [999, 1])


def row(series, exact=0.0, tolerance=0.0, distinct=10**9):
    return chain_row("mean", series, exact, distinct, LEVEL, tolerance)


def test_z_scores_of_a_chain_are_standard_normal():
    """Over 200 chains; as if it were independent draws they would have a deviation of 4.4."""
    z = np.array([row(autoregressive(0.9, 20_000, 1, seed)).z for seed in range(200)])
    assert abs(z.mean()) < 0.35
    assert 0.8 < z.std() < 1.25


def test_verdicts_of_a_chain():
    chain = autoregressive(0.5)
    assert row(chain).verdict is Verdict.PASS
    assert row(chain + 0.1).verdict is Verdict.FAIL
    assert row(chain + 0.1, tolerance=0.09).verdict is Verdict.PASS
    assert row(chain + 0.1, exact=0.1).verdict is Verdict.PASS
    assert row(np.where(chain > 3, np.nan, chain)).verdict is Verdict.FAIL


def test_a_chain_that_is_too_short_is_unresolved():
    assert "sees only deviations above" in row(autoregressive(0.9, 2000)).note
    short = row(autoregressive(0.99, 2000) + 3)
    assert short.verdict is Verdict.UNRESOLVED
    assert short.note.endswith("1,000 are enough: raise num_steps, or the method's step size")
    few = row(autoregressive(0.0, 5000), distinct=20)
    assert few.verdict is Verdict.UNRESOLVED
    assert "effective sample size 20 of 5000" in few.note


def law_verdicts(samples, law):
    return [r.verdict.value for r in law_rows(samples, law, LEVEL, 0.0)]


def test_laws_are_told_apart_in_every_direction():
    """A narrow direction that no coordinate shows: 1 % of the variance, and half too wide."""
    turn = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)
    law = Law(np.array([3.0, -1.0]), turn @ np.diag([1.0, 0.01]) @ turn.T)
    noise = np.random.default_rng(0).normal(size=(8000, 2))
    samples = law.mean + noise * [1.0, 0.1] @ turn.T
    assert law_verdicts(samples, law) == ["pass", "pass"]
    wide = law.mean + noise * [1.0, 0.15] @ turn.T
    assert np.allclose(np.cov(wide.T), law.covariance, atol=0.02)
    assert law_verdicts(wide, law) == ["pass", "FAIL"]
    assert law_verdicts(samples + turn[:, 0] * 0.02, law)[0] == "pass"
    assert law_verdicts(samples + turn[:, 1] * 0.02, law)[0] == "FAIL"
