import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf

from bnn.likelihoods import Gamma, Poisson, incomplete_gamma


def test_both_functions(mode):
    """Within 4.4 standard deviations: further out SciPy's own series end early for large a."""
    parameters = np.array([0.3, 1.0, 50.0, 9.9e3, 1.1e4, 1e6, 1e8])[:, None]
    x = np.maximum(parameters + np.sqrt(parameters) * np.linspace(-4.4, 4.4, 33), 0)
    a = np.broadcast_to(parameters, x.shape)
    arguments = tf.constant(a), tf.constant(x)
    upper, lower = (mode(f)(*arguments) for f in (incomplete_gamma.upper, incomplete_gamma.lower))
    np.testing.assert_allclose(upper, scipy.special.gammaincc(a, x), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(lower, scipy.special.gammainc(a, x), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(upper + lower, 1, rtol=1e-10)


def test_far_out():
    a, x = tf.constant([2e5, 2e5, 2e5]), tf.constant([0.0, 1e5, 1e6])
    a, x = tf.cast(a, tf.float64), tf.cast(x, tf.float64)
    np.testing.assert_array_equal(incomplete_gamma.upper(a, x), [1, 1, 0])
    np.testing.assert_array_equal(incomplete_gamma.lower(a, x), [0, 0, 1])


LEVELS = np.array([1e-4, 0.1, 0.5, 0.9, 0.9999])


def test_quantiles_of_millions_of_counts():
    found = Poisson().predictive(np.full((1, 1, 1), np.log(3e6))).quantile(LEVELS)
    np.testing.assert_array_equal(found.numpy().ravel(), scipy.stats.poisson(3e6).ppf(LEVELS))


def test_quantiles_of_a_sharp_gamma():
    likelihood = Gamma(concentration=4e6, trainable=False)
    found = likelihood.predictive(np.full((1, 1, 1), np.log(2.0))).quantile(LEVELS)
    expected = scipy.stats.gamma(4e6, scale=2.0 / 4e6).ppf(LEVELS)
    np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=1e-9)
