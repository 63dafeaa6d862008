"""R-hat beside TFP's, and on chains that have mixed and have not."""

import warnings

import numpy as np
import pytest
from scipy import signal, stats

from bnn.metrics import effective_sample_size, r_hat


def chains(n=400, count=4, columns=3, correlation=0.5, seed=0):
    """x_t = r x_{t−1} + √(1 − r²) ε, `[n, chains, columns]`."""
    noise = np.random.default_rng(seed).normal(size=(n, count, columns))
    noise[1:] *= np.sqrt(1 - correlation**2)
    return signal.lfilter([1.0], [1.0, -correlation], noise, axis=0)


def tfp_r_hat(scores):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorFloat-32, when it is imported
        from tensorflow_probability import mcmc

        return np.sqrt(
            mcmc.potential_scale_reduction(
                scores, independent_chain_ndims=1, split_chains=True
            ).numpy()
        )


def scores(x):
    ranks = stats.rankdata(x.reshape(-1, x.shape[2]), axis=0)
    return stats.norm.ppf((ranks - 0.375) / (len(ranks) + 0.25)).reshape(x.shape)


def test_it_is_tfps_of_normal_scores():
    """TFP's is R̂² (C + 1) / C − (n − 1) / (n C), after Brooks & Gelman 1998: taken off."""
    x = chains() + np.array([0.0, 0.1, 0.3, 0.0])[:, np.newaxis]
    n, count = 200, 8
    squares = [
        (tfp_r_hat(scores(draws)) ** 2 + (n - 1) / (n * count)) * count / (count + 1)
        for draws in (x, np.abs(x - np.median(x, axis=(0, 1))))
    ]
    np.testing.assert_allclose(r_hat(x), np.sqrt(np.maximum(*squares)))


def test_chains_that_agree_have_one():
    hats = np.concatenate([r_hat(chains(seed=seed)) for seed in range(20)])
    assert hats.max() < 1.05
    assert hats.min() > 0.99


@pytest.mark.parametrize("count", [1, 4])
def test_a_trend_is_seen_in_one_chain_too(count):
    assert r_hat(chains(count=count) + np.linspace(0, 3, 400)[:, None, None]).min() > 1.2


def test_another_place_and_another_spread_are_seen():
    x = chains()
    assert r_hat(x + np.array([0, 0, 0, 2.0])[:, np.newaxis]).min() > 1.1
    assert r_hat(x * np.array([1, 1, 1, 4.0])[:, np.newaxis]).min() > 1.1  # by the folded part


def test_it_is_not_a_number_without_spread_or_of_few_draws():
    assert np.isnan(r_hat(np.ones((10, 2, 1)))).all()
    assert np.isnan(r_hat(chains(n=3))).all()


def test_the_effective_size_is_the_public_one():
    from bnn.diagnostics import chains as of_contract

    assert of_contract.effective_sample_size is effective_sample_size
