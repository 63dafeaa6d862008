"""Checks of a posterior's law by z-scores; each raises AssertionError where the law is wrong."""

import numpy as np
import tensorflow as tf

from bnn.noise import Noise

DRAWS = 2**14
Z_LIMIT = 6.0
TARGET = np.linspace(-1.0, 1.0, 6).reshape(3, 2).astype(np.float32)


def simulate(posterior, density=True, seed=1):
    """Weights `[N, 3, 2]`, their log densities and both gradients of ‖w − k‖², by draw, float64."""
    variables = [v.value for v in posterior.variables]
    count = sum(int(np.prod(v.shape)) for v in variables)

    def flat(gradients):
        return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)

    def draw(step):
        with tf.GradientTape(persistent=True) as tape:
            w = posterior.sample(Noise(seed, step))
            value = tf.reduce_sum(tf.square(w - TARGET))
            log_prob = posterior.log_prob(tf.stop_gradient(w)) if density else tf.constant(0.0)
        path = tape.gradient(value, variables, unconnected_gradients="zero")
        score = tape.gradient(log_prob, variables, unconnected_gradients="zero")
        return w, log_prob, flat(path), value * flat(score)

    @tf.function(jit_compile=True, autograph=False)
    def run():
        spec = tuple(tf.TensorSpec(s) for s in (posterior.shape, (), (count,), (count,)))
        return tf.map_fn(draw, tf.range(DRAWS), fn_output_signature=spec)

    return tuple(part.numpy().astype(np.float64) for part in run())


def assert_mean(samples, expected):
    """The samples `[N, …]` have this mean, elementwise."""
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    assert np.all(error > 0), "samples without spread have no standard error"
    z = (samples.mean(axis=0) - expected) / error
    assert np.max(np.abs(z)) < Z_LIMIT, f"z-scores {z}"


def check_moments(posterior, simulation):
    """Mean and covariance of the samples are those that the family declares."""
    deviation = simulation[0].reshape(DRAWS, -1) - np.float64(posterior.mean).ravel()
    assert_mean(deviation, 0.0)
    assert_mean(deviation**2, np.float64(posterior.variance).ravel())
    rows, columns = np.triu_indices(deviation.shape[1])
    covariance = np.float64(posterior.covariance())[rows, columns]
    assert_mean(deviation[:, rows] * deviation[:, columns], covariance)


def check_density(posterior, simulation):
    """E_q[r/q] = 1, and r's first two moments, for a normal r that is narrower than q."""
    deviation = simulation[0].reshape(DRAWS, -1) - np.float64(posterior.mean).ravel()
    covariance = 0.5 * np.cov(deviation.T)
    log_ref = -0.5 * np.einsum("ni,ij,nj->n", deviation, np.linalg.inv(covariance), deviation)
    log_ref -= 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    ratio = np.exp(log_ref - simulation[1])[:, np.newaxis]
    assert_mean(ratio, 1.0)
    assert_mean(ratio * deviation, 0.0)
    assert_mean(ratio * deviation**2, np.diag(covariance))


def check_entropy(posterior, simulation):
    """The entropy is the mean of −ln q."""
    assert_mean(-simulation[1][:, np.newaxis], float(tf.reduce_sum(posterior.entropy())))
