import numpy as np
import pytest
import scipy.special

from bnn import metrics


def test_ends_of_the_curve_are_exact():
    values = np.random.default_rng(0).normal(size=(6, 40))
    curve = metrics.nll_by_num_samples(values, num_orders=3)
    np.testing.assert_array_equal(curve.num_samples, np.arange(1, 7))
    assert curve.nll[0] == pytest.approx(-values.mean(), rel=1e-12)
    mixture = scipy.special.logsumexp(values, axis=0) - np.log(6)
    assert curve.nll[-1] == pytest.approx(-mixture.mean(), rel=1e-12)


def test_the_last_point_is_the_metric(classification):
    log_probs, labels, _ = classification
    likelihoods = log_probs[:, np.arange(len(labels)), labels]
    curve = metrics.nll_by_num_samples(likelihoods)
    assert curve.nll[-1] == pytest.approx(metrics.nll(log_probs, labels), rel=1e-12)


def test_all_orders_are_all_subsets():
    """Of two samples, and with many orders of three, against every subset."""
    values = np.random.default_rng(1).normal(size=(3, 50))
    pairs = [np.logaddexp(values[a], values[b]) - np.log(2) for a, b in ((0, 1), (0, 2), (1, 2))]
    exact = -np.mean(pairs)
    means = -np.mean(pairs, axis=1)
    curve = metrics.nll_by_num_samples(values, num_orders=6000)
    assert abs(curve.nll[1] - exact) < 6 * means.std() / np.sqrt(6000)  # z of 6: 2e-9


def test_the_jackknife_against_the_definition():
    values = np.random.default_rng(2).normal(size=(8, 30))

    def loss(rows):
        return -np.mean(scipy.special.logsumexp(rows, axis=0) - np.log(len(rows)))

    without = np.array([loss(np.delete(values, s, axis=0)) for s in range(8)])
    curve = metrics.nll_by_num_samples(values)
    assert curve.limit == pytest.approx(8 * loss(values) - 7 * without.mean(), rel=1e-10)
    pseudo = 8 * loss(values) - 7 * without
    assert curve.limit_error == pytest.approx(pseudo.std(ddof=1) / np.sqrt(8), rel=1e-10)


def test_gamma_likelihoods_have_the_closed_form():
    # p_s ~ Gamma(a, 1/a) of mean 1: the sum of k is Gamma(k a), so E log of the mean of k is
    # digamma(k a) - log(k a), and the limit is log 1 = 0. The B examples are independent here, so
    # every deviation is a z-score; 6 is 2e-9 over all seeds.
    shape, size, examples = 2.0, 16, 20_000
    rng = np.random.default_rng(3)
    values = np.log(rng.gamma(shape, 1 / shape, size=(size, examples)))
    curve = metrics.nll_by_num_samples(values, num_orders=4)
    k = np.arange(1, size + 1)
    expected = np.log(k * shape) - scipy.special.digamma(k * shape)
    deviation = np.sqrt(scipy.special.polygamma(1, k * shape) / examples)
    assert np.all(np.abs(curve.nll - expected) < 6 * deviation)
    assert curve.nll[-1] > 6 * deviation[-1]  # biased by 1 / (2 S a), which shows
    assert abs(curve.limit) < 6 * deviation[-1] + 1 / (shape * size) ** 2
    assert abs(curve.limit) < curve.nll[-1] / 5


def test_the_error_of_the_limit_covers_it():
    # All examples share the weights, as in a model: only the samples vary. The standardised limits
    # of 300 draws have a variance near 1: within 0.6 … 1.7 with 6 deviations of a chi-squared.
    rng = np.random.default_rng(4)
    shape, size = 4.0, 40
    z = []
    for _ in range(300):
        values = np.log(rng.gamma(shape, 1 / shape, size=(size, 1)))
        curve = metrics.nll_by_num_samples(values, num_orders=1)
        z.append(curve.limit / curve.limit_error)
    assert 0.6 < np.mean(np.square(z)) < 1.7


def test_samples_that_agree_gain_nothing():
    curve = metrics.nll_by_num_samples(np.full((5, 7), -0.3))
    np.testing.assert_allclose(curve.nll, 0.3, rtol=1e-12)
    assert curve.limit == pytest.approx(0.3)
    assert curve.limit_error == pytest.approx(0.0, abs=1e-12)


def test_a_likelihood_under_one_sample_alone_has_no_limit():
    values = np.array([[-np.inf, -1.0], [-np.inf, -1.0], [-0.5, -1.0]])
    with np.errstate(invalid="raise"):
        curve = metrics.nll_by_num_samples(values)
    assert curve.nll[0] == np.inf
    assert np.isfinite(curve.nll[-1])
    assert np.isnan(curve.limit)
    assert np.isnan(curve.limit_error)


BAD = {
    "one sample": (
        np.zeros((1, 3)),
        r"log_likelihoods must have shape \[S, B\] with S of at least 2 and B of at least 1, got "
        r"shape \(1, 3\)\. Pass one row for each weight sample, and at least two\.",
    ),
    "no examples": (np.zeros((3, 0)), r"got shape \(3, 0\)\."),
    "rank": (np.zeros(3), r"got shape \(3,\)\."),
    "NaN": ([[0.0], [np.nan]], r"log_likelihoods must not contain NaN, got NaN at index \(1, 0\)"),
    "infinite": ([[0.0], [np.inf]], r"log_likelihoods must not be \+inf, got \+inf at index \(1,"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_log_likelihoods(case):
    values, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        metrics.nll_by_num_samples(values)


def test_no_orders():
    with pytest.raises(ValueError, match=r"num_orders must be at least 1, got 0\."):
        metrics.nll_by_num_samples(np.zeros((2, 3)), num_orders=0)
