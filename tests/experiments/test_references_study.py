"""The comparison with independent implementations: its statistics, and the cheapest of it."""

import numpy as np
import pytest

from experiments.references import peers, problems
from experiments.references.networks import networks
from experiments.references.run import EVIDENCE, VARIANCE, main
from experiments.references.statistics import Estimate, deviation_of_blocks, of_blocks

SLOW = pytest.mark.slow


def needs(peer):
    """As `pytest.importorskip`, without an import: PyTorch and TensorFlow share no process."""
    if lacking := peers.missing(peer):
        pytest.skip(f"could not import {', '.join(lacking)}")


def autoregressive(rng, chains=4, draws=20_000, memory=0.8):
    """Draws of deviation 1 whose means have the error √((1 + a) / (1 − a) / n)."""
    noise = np.sqrt(1 - memory**2) * rng.normal(size=(draws, chains, 2))
    found = np.empty_like(noise)
    state = rng.normal(size=(chains, 2))
    for i, step in enumerate(noise):
        state = memory * state + step
        found[i] = state
    return found.transpose(1, 0, 2)


def test_errors_are_those_of_correlated_draws():
    draws = autoregressive(np.random.default_rng(0))
    found, spread = of_blocks(draws), deviation_of_blocks(draws)
    known = np.sqrt((1 + 0.8) / (1 - 0.8) / (4 * 20_000))
    np.testing.assert_allclose(found.error, known, rtol=0.25)  # of 80 blocks: ± 8 %
    assert np.abs(found.value / known).max() < 4
    assert np.abs((spread.value - 1) / spread.error).max() < 4
    moved = Estimate(found.value + 10 * known, found.error)
    assert np.abs(found.against(moved)).min() > 4  # a difference is seen


def test_the_problems_have_their_closed_forms():
    problem = problems.regression()
    x, y = problem.inputs.astype(float), problem.targets.astype(float)
    gradient = x.T @ (y - x @ problem.mean()) / problem.noise**2 - problem.mean()
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    assert (problem.deviations() < np.sqrt(np.diag(np.linalg.inv(problem.curvature())))).all()


def test_quadrature_is_a_sum_over_a_grid():
    four = problems.logistic()
    problem = four._replace(inputs=four.inputs[:, :2])
    axis = np.linspace(-8, 8, 801)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    shares = np.exp(problem.log_joint(grid))
    shares /= shares.sum()
    mean, deviation = problem.moments()
    np.testing.assert_allclose(mean, shares @ grid, atol=1e-5)
    np.testing.assert_allclose(deviation, np.sqrt(shares @ (grid - mean) ** 2), atol=1e-5)


@SLOW
def test_nuts_draws_from_the_posterior():
    from experiments.references import samplers_ours

    problem = problems.logistic()
    draws = samplers_ours.nuts(problem, {"chains": 4, "warmup": 100, "draws": 400, "seed": 0})
    assert draws.shape == (4, 400, 4)
    estimates = of_blocks(draws), deviation_of_blocks(draws)
    for found, known in zip(estimates, problem.moments(), strict=True):
        assert np.abs((found.value - known) / found.error).max() < 4


@SLOW
def test_a_convolutions_factors_are_those_of_laplace_torch():
    needs("laplace_torch")
    from experiments.references import laplace_ours

    network = networks()["convolution"]
    asked = {"networks": [network._asdict()], "structures": [("kfac", False)]}
    [[theirs]] = peers.ask("laplace_torch", asked)
    ours = laplace_ours.evaluate(network, "kfac", False)
    assert ours["evidence"] == pytest.approx(theirs["evidence"], abs=EVIDENCE)
    np.testing.assert_allclose(ours["variances"], theirs["variances"], rtol=VARIANCE)


@SLOW
def test_the_study_runs_with_tiny_sizes(tmp_path):
    for peer in peers.NEEDS:
        needs(peer)
    assert main(["--fast", f"--output={tmp_path}"]) == 0
    assert "| convolution | kfac | all |" in (tmp_path / "README.md").read_text()


def test_a_part_without_its_peer_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "missing", lambda peer: ["a_package"])
    assert main(["--fast", f"--output={tmp_path}"]) == 0
    assert "laplace is left out without a_package; pip install 'bnn[bench]'" in (
        capsys.readouterr().out
    )
