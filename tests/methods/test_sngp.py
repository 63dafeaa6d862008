"""SNGP: the process's posterior in closed form, bounded kernels, and inputs far away."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn.methods import SNGP


def adam():
    return keras.optimizers.Adam(0.05)


def run(method, count=20):
    for step in range(count):
        method.step(s.batches().at(step), s.noise_of(step), lambda f: f)
    return method


def process(likelihood=None, kind=SNGP, **options):
    """Trained for some steps."""
    method = s.built(kind(32, **options), optimizer=adam(), likelihood=likelihood)
    return run(method)


def features(method, x):
    with bnn.compat.substituted(method._bounded()):
        return method.random_features(method._last.features(x)).numpy().astype(np.float64)


def test_features_are_a_squared_exponential_kernel(rng):
    method = s.built(SNGP(4096, length_scale=1.5), optimizer=adam())
    h = rng.normal(size=(6, 4)).astype(np.float32)
    phi = method.random_features(h).numpy()
    gaps = np.sum((h[:, None] - h[None]) ** 2, -1)
    np.testing.assert_allclose(phi @ phi.T, np.exp(-0.5 * gaps / 1.5**2), atol=0.08)


def covariances(method, curvature):
    """Φ (1 + Σ Λ Φ Φᵀ)⁻¹ Φᵀ of the first three inputs, `[C, 3, 3]`."""
    x = s.data()[0]
    phi = features(method, x)
    each = [np.eye(32) + (phi * c[:, None]).T @ phi for c in curvature.T]
    return np.stack([phi[:3] @ np.linalg.solve(precision, phi[:3].T) for precision in each])


def far_off(method, curvature):
    """The largest z-score of covariances and means of drawn outputs."""
    method.finish(s.batches())
    x = s.data()[0][:3]
    outputs = method.predict(x, 20_000, seed=2).numpy().astype(np.float64)
    mean = features(method, x) @ method._beta.numpy()
    away = outputs - mean
    products = np.einsum("sbc,sdc->scbd", away, away)
    error = products.std(0) / np.sqrt(len(products))
    scores = (products.mean(0) - covariances(method, curvature)) / error
    scores_of_means = away.mean(0) / away.std(0) * np.sqrt(len(away))
    return max(np.abs(scores).max(), np.abs(scores_of_means).max())


def of_classes(method):
    x = s.data()[0]
    p = tf.nn.softmax(features(method, x) @ method._beta.numpy()).numpy()
    return p * (1 - p)


def test_draws_have_the_covariance_of_laplace(z_limit):
    method = process()
    assert far_off(method, of_classes(method)) < z_limit


def test_a_curvature_of_another_size_is_seen(z_limit):
    method = process()
    assert far_off(method, 3 * of_classes(method)) > z_limit


def test_before_the_end_there_is_one_function():
    method, x = process(), s.data()[0]
    outputs = method.predict(x, 8, seed=0).numpy()
    assert len(outputs) == 1
    np.testing.assert_allclose(outputs[0], features(method, x) @ method._beta.numpy(), atol=1e-4)


def test_kernels_act_with_a_bounded_norm():
    method = s.built(SNGP(8, norm_bound=0.5), optimizer=keras.optimizers.SGD(0.0))
    (kernel,) = method._kernels
    kernel.assign(3 * kernel.value)
    run(method, 30)
    ((_, value),) = method._bounded()
    assert np.linalg.norm(value.numpy(), 2) == pytest.approx(0.5, rel=1e-2)
    kernel.assign(0.01 * kernel.value)
    ((_, value),) = method._bounded()
    np.testing.assert_array_equal(value.numpy(), kernel.numpy())


def test_the_loss_is_the_joint_density_without_the_unused_layer():
    method = process()
    info = method.loss(s.batches().at(0), s.noise_of(0))
    beta = method._beta.numpy()
    exact = 0.5 * np.sum(beta**2 + np.log(2 * np.pi))
    assert float(info.metrics["kl/sngp_beta"]) == pytest.approx(exact, rel=1e-5)
    assert [n for n in info.metrics if n.startswith("kl/1_")] == []
    kl, nll = float(info.metrics["penalty"]), float(info.metrics["nll"])
    assert float(info.loss) == pytest.approx(nll + kl / s.NUM_TRAIN, rel=1e-6)
    assert not np.any(method._last.layer.kernel.posterior.mean.numpy())


def test_inputs_far_away_are_less_sure():
    method = process()
    method.finish(s.batches())
    x = s.data()[0]
    spread = [method.predict(v, 500, seed=1).numpy().std(0).mean() for v in (x, 30 * x)]
    assert spread[1] > spread[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_features": 0}, "num_features must be"),
        ({"length_scale": 0.0}, r"length_scale must be positive, got 0\.0"),
        ({"norm_bound": -1.0}, r"norm_bound must be positive, got -1\.0"),
    ],
)
def test_unusable_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SNGP(**options)


def test_a_likelihood_without_curvature_is_refused():
    with pytest.raises(ValueError, match=r"SNGP needs a likelihood whose curvature .* LogNormal"):
        s.built(SNGP(8), optimizer=adam(), likelihood=bnn.likelihoods.LogNormal())


def test_a_kernel_of_zeros_has_a_gradient():
    method = s.built(SNGP(8), optimizer=adam())
    (kernel,) = method._kernels
    kernel.assign(0 * kernel.value)
    for gradient in method.gradients(s.batches().at(0), s.noise_of(0))[1]:
        assert gradient is None or np.all(np.isfinite(gradient))


def test_it_serves_mixed_precision():
    with bnn.posteriors.points():
        layers = [bnn.layers.Dense(4, "tanh", dtype="mixed_bfloat16") for _ in range(2)]
        layers.append(bnn.layers.Dense(2, dtype="mixed_bfloat16"))
    model = keras.Sequential([keras.Input((3,)), *layers])
    method = run(s.built(SNGP(8), model=model, optimizer=adam()), 2)
    method.finish(s.batches())
    outputs = method.predict(s.data()[0], 2, seed=0)
    assert outputs.dtype == tf.float32
    assert np.all(np.isfinite(outputs))
