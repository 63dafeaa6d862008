"""The low-rank Laplace approximation: NumPy's eigenvectors, the full one, planted defects."""

import numpy as np
import pytest

from bnn.methods import Laplace
from bnn.methods.curvature import STRUCTURES, LowRank
from bnn.methods.curvature.low_rank import TOLERANCE
from tests.methods.laplace_cases import Network, conjugate, covariance, fitted

SLOW = pytest.mark.slow
DELTA = 0.5


class OnePass(LowRank):
    """Random directions, never turned to the curvature's own."""

    def more(self, total):
        super().more(total)
        return False


class Inverse(LowRank):
    """(I + W Wᵀ)⁻¹ in its root's place."""

    def _shrunk(self, vectors):
        return super()._shrunk(super()._shrunk(vectors))


def truncated(network, rank):
    """U Λ Uᵀ + δ of the largest eigenvalues, by NumPy, and the exact output covariances."""
    values, vectors = np.linalg.eigh(network.ggn())
    values, vectors = values[-rank:], vectors[:, -rank:]
    precision = (vectors * values) @ vectors.T + DELTA * np.eye(len(vectors))
    jacobian = network.jacobian()
    inverse = np.linalg.inv(precision)
    return precision, np.einsum("ncp,pq,ndq->ncd", jacobian, inverse, jacobian)


def evidence(network, precision):
    """Its logarithm, with an independent determinant."""
    squares = sum((a**2).sum() for a in network.arrays)
    fit = np.log(network.p[np.arange(9), network.y]).sum()
    prior = 0.5 * len(precision) * np.log(DELTA) - 0.5 * DELTA * squares
    return fit + prior - 0.5 * np.linalg.slogdet(precision)[1]


def of_rank(rank, **options):
    return Network().fit(Laplace("low_rank", prior_precision=DELTA, rank=rank), **options)


@pytest.mark.parametrize("rank", [27, pytest.param(18, marks=SLOW)])
def test_the_whole_rank_is_the_full_laplace(rank):
    """27 weights; the GGN of 9 examples with 3 probabilities that sum to 1 has rank 18."""
    network = Network()
    full = network.fit(Laplace("full", prior_precision=DELTA))
    low = of_rank(rank)
    spread = full.output_moments(network.x)[1]
    np.testing.assert_allclose(low.output_moments(network.x)[1], spread, rtol=1e-4, atol=1e-5)
    values = [float(laplace.log_marginal_likelihood()) for laplace in (full, low)]
    assert values[0] == pytest.approx(values[1], abs=2e-5)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=SLOW)])
def test_leading_eigenvectors_are_those_of_numpy(jit_compile):
    network = Network()
    low = of_rank(4, jit_compile=jit_compile)
    precision, spread = truncated(network, 4)
    np.testing.assert_allclose(low.output_moments(network.x)[1], spread, rtol=1e-3, atol=3e-3)
    known = evidence(network, precision)
    assert float(low.log_marginal_likelihood()) == pytest.approx(known, abs=1e-3)
    about = low.describe()
    assert about["rank"] == 4
    assert about["smallest_eigenvalue"] == pytest.approx(
        np.linalg.eigvalsh(network.ggn())[-4], rel=1e-3
    )
    assert about["residual"] <= TOLERANCE
    # 14 directions, forward and backward, in every pass.
    assert about["gradient_evaluations"] % (2 * 14 * 9) == 0


def test_linear_regression_has_its_exact_posterior():
    case = conjugate()
    variances, between = covariance(fitted(*case, Laplace("low_rank")))
    exact = case[0].exact().covariance
    np.testing.assert_allclose(variances, np.diag(exact), rtol=1e-5)
    np.testing.assert_allclose(between, exact[0, 1], rtol=1e-4)


@pytest.mark.parametrize("kind", [OnePass, Inverse])
def test_planted_defects_are_seen(kind, monkeypatch):
    monkeypatch.setitem(STRUCTURES, "low_rank", kind)
    network = Network()
    # Of rank 10 with no oversampling to help: 10 of 27 random directions.
    monkeypatch.setattr("bnn.methods.curvature.low_rank.OVERSAMPLING", 0)
    spread = truncated(network, 10)[1]
    found = of_rank(10).output_moments(network.x)[1]
    assert np.abs(found - spread).max() > 0.1 * np.abs(spread).max()


@SLOW
def test_samples_spread_as_the_outputs_do(assert_mean):
    network = Network()
    low = of_rank(4)
    mean, spread = (part.numpy() for part in low.output_moments(network.x))
    outputs = low.predict(network.x, 4000, 3).numpy()
    assert_mean(outputs, mean)
    off = outputs - mean
    assert_mean(off[..., :, None] * off[..., None, :], spread)


@SLOW
def test_a_flat_spectrum_says_that_it_has_not_converged(monkeypatch, caplog):
    monkeypatch.setattr("bnn.methods.curvature.low_rank.MOST_PASSES", 1)
    of_rank(4)
    assert "the 4 leading eigenvectors of the curvature have a residual" in caplog.text


REFUSED = {
    "other": (
        {"structure": "full", "rank": 3},
        'of structure "low_rank" alone, got rank=3',
    ),
    "zero": ({"rank": 0}, "rank must be None or a positive integer, got 0"),
    "flag": ({"rank": True}, "rank must be None or a positive integer, got True"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        Laplace(**{"structure": "low_rank", **options})


def test_ranks_beyond_the_weights_or_the_memory_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="at most the number of random weights, 27, got 28"):
        of_rank(28)
    monkeypatch.setattr("bnn.methods.curvature.low_rank.MOST", 27 * 13)
    with pytest.raises(ValueError, match=r"rank \+ 10 vectors of 27 weights, .* take a smaller"):
        of_rank(4)
    assert of_rank(3).describe()["rank"] == 3
