"""Deterministic variational inference with full covariances, beside 10⁶ samples."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn import likelihoods
from bnn.methods import MomentPropagation
from bnn.methods.expected import expected_log_prob
from bnn.posteriors import MeanFieldNormal
from bnn.predictive import propagate
from bnn.predictive.activation_covariance import covariance_of_activation, relu_covariance
from bnn.predictive.joint_moments import propagate_joint

SAMPLES = 1_000_000
MEAN = np.array([0.3, -0.6, 0.1])
COVARIANCE = np.array([[1.0, 0.55, -0.4], [0.55, 0.5, 0.1], [-0.4, 0.1, 0.8]])


def z_scores(drawn, mean, covariance):
    """Of the sampled mean and covariance `[n, k]`, by their own standard errors."""
    away = drawn - mean
    pairs = [(j, k) for j in range(drawn.shape[1]) for k in range(j, drawn.shape[1])]
    columns = [away[:, j] for j in range(drawn.shape[1])]
    columns += [away[:, j] * away[:, k] - covariance[j, k] for j, k in pairs]
    return np.array([c.mean() / c.std() * np.sqrt(len(c)) for c in columns])


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "softplus", "gelu", "silu"])
def test_the_covariance_of_an_activation_is_that_of_samples(name, rng, z_limit):
    activation = getattr(keras.activations, name)
    given = (tf.constant(x[np.newaxis], tf.float32) for x in (MEAN, COVARIANCE))
    mean, covariance = (x.numpy()[0] for x in covariance_of_activation(activation, *given))
    drawn = rng.multivariate_normal(MEAN, COVARIANCE, SAMPLES).astype(np.float32)
    scores = z_scores(activation(drawn).numpy().astype(np.float64), mean, covariance)
    assert np.abs(scores).max() < z_limit, scores


def test_relu_at_zero_is_the_kernel_of_arc_cosines():
    """Cho & Saul 2009, order 1; and Cov → Φ(a) + … of the variable itself at ρ → 1."""
    rho = np.linspace(-0.999, 0.999, 41)
    cells = np.zeros((41, 2, 2), np.float32)
    cells[:, 0, 1] = cells[:, 1, 0] = rho
    found = relu_covariance(tf.zeros((41, 2)), tf.constant(cells))[:, 0, 1]
    exact = (np.sqrt(1 - rho**2) - 1 + rho * (np.pi / 2 + np.arcsin(rho))) / (2 * np.pi)
    np.testing.assert_allclose(found, exact, atol=2e-7)


def test_gradients_are_finite_where_units_are_equal_or_fixed():
    covariance = tf.constant([[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    mean = tf.constant([[0.2, 0.2, -1.0]])
    for name in ("relu", "tanh"):
        with tf.GradientTape() as tape:
            tape.watch([mean, covariance])
            found = covariance_of_activation(getattr(keras.activations, name), mean, covariance)
            total = tf.add_n([tf.reduce_sum(tf.sin(x)) for x in found])
        for gradient in tape.gradient(total, [mean, covariance]):
            assert np.isfinite(gradient.numpy()).all(), name


def mixed():
    """Outputs whose moments are exact: two random layers, and before them jointly normal units."""
    keras.utils.set_random_seed(3)
    names = ("kernel_posterior", "bias_posterior")
    posterior = {name: MeanFieldNormal(0.3) for name in names}
    layers = [bnn.layers.Dense(3, **posterior), keras.layers.Dense(5, "relu")]
    return keras.Sequential([keras.Input((2,)), *layers, bnn.layers.Dense(3, **posterior)])


def draws(site, rng, count):
    mean, deviation = site.posterior.mean.numpy(), np.sqrt(site.posterior.variance.numpy())
    return mean + deviation * rng.normal(size=(count, *mean.shape)).astype(np.float32)


def sampled(model, x, rng):
    first, second, last = model.layers
    found = []
    for _ in range(10):
        count = SAMPLES // 10
        h = np.einsum("i,sij->sj", x, draws(first.kernel, rng, count))
        h = h + draws(first.bias, rng, count)
        h = np.maximum(h @ second.kernel.numpy() + second.bias.numpy(), 0)
        out = np.einsum("si,sij->sj", h, draws(last.kernel, rng, count))
        found.append(out + draws(last.bias, rng, count))
    return np.concatenate(found).astype(np.float64)


def test_outputs_of_a_network_have_the_covariance_of_samples_and_the_diagonal_has_not(rng, z_limit):
    model, x = mixed(), np.array([0.7, -1.1], np.float32)
    drawn = sampled(model, x, rng)
    mean, covariance = (v.numpy()[0] for v in propagate_joint(model, x[np.newaxis]))
    scores = z_scores(drawn, mean, covariance)
    assert np.abs(scores).max() < z_limit, scores
    diagonal = np.diag(propagate(model, x[np.newaxis]).variance.numpy()[0])
    assert np.abs(z_scores(drawn, mean, diagonal)).max() > 20  # a planted defect


def test_correlated_classes_have_a_bound_that_their_common_part_leaves_alone(rng):
    likelihood, labels = likelihoods.Categorical(label_smoothing=0.2), np.array([2])
    mean, covariance = (tf.constant(v[np.newaxis], tf.float32) for v in (MEAN, COVARIANCE))
    variance = tf.linalg.diag_part(covariance)
    bound = expected_log_prob(likelihood, mean, variance, labels, covariance)
    drawn = rng.multivariate_normal(MEAN, COVARIANCE, 100_000).astype(np.float32)
    fits = likelihood.checked_log_prob(tf.constant(drawn), np.full(len(drawn), 2))
    assert float(bound[0]) < float(tf.reduce_mean(fits)) < float(bound[0]) + 0.5
    common = expected_log_prob(likelihood, mean, variance + 4, labels, covariance + 4)
    np.testing.assert_allclose(common, bound, rtol=1e-5)
    zero = tf.zeros_like(covariance)
    closed = expected_log_prob(likelihood, mean, tf.zeros_like(mean), labels, zero)
    np.testing.assert_allclose(closed, likelihood.checked_log_prob(mean, labels), rtol=1e-5)


def test_a_bad_label_that_only_a_compiled_function_sees_is_nan_with_a_covariance_too():
    mean, covariance = (tf.constant(v[np.newaxis], tf.float32) for v in (MEAN, COVARIANCE))
    variance = tf.linalg.diag_part(covariance)

    @tf.function(jit_compile=True, autograph=False)
    def bound(labels):
        return expected_log_prob(likelihoods.Categorical(), mean, variance, labels, covariance)

    assert np.isfinite(bound(tf.constant([2])))
    for label in (-1, 99, 0.9):
        assert np.isnan(bound(tf.constant([label])))


def deep():
    layers = [bnn.layers.Dense(n, "relu") for n in (4, 4)]
    return keras.Sequential([keras.Input((3,)), *layers, bnn.layers.Dense(2)])


def test_the_objective_takes_it_and_says_so():
    method = s.built(MomentPropagation(covariance="full"), model=deep(), optimizer="adam")
    losses = [
        float(method.step(s.batches().at(i), s.noise_of(i), s.identity).loss) for i in range(8)
    ]
    assert np.isfinite(losses).all()
    assert method.describe()["objective"] == "moments, full"
    plain = s.built(MomentPropagation(), model=deep(), optimizer="adam")
    for one, other in zip(plain.trained, method.trained, strict=True):
        one.assign(other)
    batch = s.batches().at(0)
    values = [float(m.loss(batch, s.noise_of(0)).metrics["nll"]) for m in (plain, method)]
    assert values[0] != pytest.approx(values[1], rel=1e-4)


def test_what_full_covariances_cannot_pass_is_named():
    with pytest.raises(ValueError, match=r'must be "diagonal" or "full", got .both'):
        MomentPropagation(covariance="both")
    convolution = [bnn.layers.Conv2D(2, 3), keras.layers.Flatten(), bnn.layers.Dense(2)]
    model = keras.Sequential([keras.Input((5, 5, 1)), *convolution])
    with pytest.raises(ValueError, match=r"dense layers one .* \(Conv2D\).* Use the diag"):
        s.built(MomentPropagation(covariance="full"), model=model, optimizer="sgd")
    bent = [bnn.layers.Dense(4, "elu"), bnn.layers.Dense(2)]
    with pytest.raises(ValueError, match=r"\(activation elu\)"):
        s.built(
            MomentPropagation(covariance="full"),
            model=keras.Sequential([keras.Input((3,)), *bent]),
            optimizer="sgd",
        )
