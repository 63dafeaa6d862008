import itertools
import tracemalloc

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from bnn import metrics
from bnn.metrics import ranked_probability


def quadrature(loc, scale, target):
    """The integral that defines the score, for one target under one mixture."""

    def cdf(t):
        return scipy.stats.norm.cdf(t, loc, scale).mean()

    low = min(np.min(loc - 12 * scale), target)
    high = max(np.max(loc + 12 * scale), target)
    points = np.unique(np.concatenate([[low, target, high], loc, loc - 3 * scale, loc + 3 * scale]))
    total = 0.0
    for a, b in itertools.pairwise(points):
        step = float(a >= target)
        total += scipy.integrate.quad(lambda t, y=step: (cdf(t) - y) ** 2, a, b, epsabs=1e-11)[0]
    return total


def test_crps_against_quadrature(regression):
    loc, scale, targets = (array[..., :2] for array in regression)
    expected = [
        quadrature(loc[(slice(None), *index)], scale[(slice(None), *index)], targets[index])
        for index in np.ndindex(targets.shape)
    ]
    expected = np.reshape(expected, targets.shape).mean(axis=0)
    assert metrics.crps(loc, scale, targets) == pytest.approx(expected, rel=1e-8)


def test_crps_of_one_normal():
    # Gneiting et al. 2005: sd (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)).
    z = (1.3 - 0.4) / 2.0
    norm = scipy.stats.norm
    expected = 2.0 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert metrics.crps([[0.4]], 2.0, [1.3]) == pytest.approx(expected, rel=1e-13)


def test_crps_of_points_is_the_energy_form():
    rng = np.random.default_rng(6)
    loc, targets = rng.normal(size=(9, 20)), rng.normal(size=20)
    expected = np.abs(loc - targets).mean() - 0.5 * np.abs(loc[:, None] - loc[None]).mean()
    assert metrics.crps(loc, 1e-12, targets) == pytest.approx(expected, rel=1e-9)
    assert metrics.crps(loc[:1], 1e-12, targets) == pytest.approx(
        np.abs(loc[0] - targets).mean(), rel=1e-9
    )


def test_equal_samples_score_as_one(regression):
    loc, scale, targets = regression
    once = metrics.crps(loc[:1], scale[:1], targets)
    repeated = metrics.crps(np.repeat(loc[:1], 6, 0), np.repeat(scale[:1], 6, 0), targets)
    assert repeated == pytest.approx(once, rel=1e-12)


def test_crps_is_in_target_units_and_translation_invariant(regression):
    loc, scale, targets = regression
    once = metrics.crps(loc, scale, targets)
    actual = metrics.crps(7.0 * loc - 3.0, 7.0 * scale, 7.0 * targets - 3.0)
    assert actual == pytest.approx(7.0 * once, rel=1e-10)


@pytest.mark.parametrize("elements", [1, 7, 60])
def test_chunks_do_not_change_the_score(regression, monkeypatch, elements):
    expected = metrics.crps(*regression)
    monkeypatch.setattr(ranked_probability, "_CHUNK_ELEMENTS", elements)
    assert metrics.crps(*regression) == pytest.approx(expected, rel=1e-13)


def test_memory_does_not_grow_with_the_square_of_the_samples():
    rng = np.random.default_rng(7)
    loc, targets = rng.normal(size=(100, 1000)), rng.normal(size=1000)
    tracemalloc.start()
    metrics.crps(loc, 1.0, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * loc.nbytes  # all pairs at once would take 100 times loc for each temporary
