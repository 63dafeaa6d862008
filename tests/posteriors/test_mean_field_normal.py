import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from bnn.noise import Noise
from bnn.posteriors import Elementwise, Exponential, MeanFieldNormal, Posterior, Softplus

SHAPE = (3, 2)


@pytest.fixture(params=[Softplus, Exponential])
def posterior(request, rng):
    """Built, with a mean and scale of its own for every element."""
    posterior = MeanFieldNormal(0.3, request.param())
    posterior.build(keras.layers.Layer(), "kernel", SHAPE, initializer="zeros")
    posterior._loc.assign(rng.normal(size=SHAPE))
    posterior._unconstrained_scale.assign_add(rng.normal(size=SHAPE))
    return posterior


def test_flags():
    posterior = MeanFieldNormal()
    assert posterior.factorized
    assert posterior.symmetric
    assert posterior.normal
    assert not posterior.deterministic


@pytest.mark.parametrize("transform", [None, Softplus(), Exponential()])
@pytest.mark.parametrize("initial_scale", [1e-6, 0.02, 2.5])
def test_initial_values(transform, initial_scale):
    posterior = MeanFieldNormal(initial_scale, transform)
    posterior.build(keras.layers.Layer(), "kernel", SHAPE, keras.initializers.Constant(1.5))
    np.testing.assert_array_equal(posterior.mean, np.full(SHAPE, 1.5))
    np.testing.assert_allclose(posterior.scale, np.full(SHAPE, initial_scale), rtol=1e-5)


def test_variables_are_float32_weights_of_the_layer_whatever_its_policy():
    layer = keras.layers.Layer(dtype="mixed_bfloat16")
    posterior = MeanFieldNormal()
    posterior.build(layer, "kernel", SHAPE, "zeros")
    assert [v.name for v in layer.trainable_variables] == [
        "kernel_loc",
        "kernel_unconstrained_scale",
    ]
    assert [v.dtype for v in layer.trainable_variables] == ["float32", "float32"]
    assert [tuple(v.shape) for v in layer.trainable_variables] == [SHAPE, SHAPE]
    assert posterior.mean.dtype == posterior.scale.dtype == tf.float32
    assert posterior.sample(Noise(0)).dtype == tf.float32


def test_distribution(posterior, rng):
    distribution = posterior.distribution()
    assert isinstance(distribution, tfd.Normal)  # for which TFP registers the KL
    w = rng.normal(size=SHAPE).astype(np.float32)
    expected = scipy.stats.norm.logpdf(w, posterior.mean, posterior.scale)
    np.testing.assert_allclose(distribution.log_prob(w), expected, rtol=1e-4)


def test_sample_is_mean_plus_scale_times_noise(posterior):
    noise = Noise(3, step=2, site=1)
    perturbation = posterior.scale * noise.normal(SHAPE)
    np.testing.assert_array_equal(posterior.perturbation(noise), perturbation)
    np.testing.assert_array_equal(posterior.sample(noise), posterior.mean + perturbation)


def test_sample_moments(posterior, assert_mean):
    @tf.function(jit_compile=True)
    def draw():
        return tf.map_fn(
            lambda i: posterior.sample(Noise(0, sample=i)),
            tf.range(20_000),
            fn_output_signature=tf.float32,
        )

    w = draw().numpy().astype(np.float64)
    mean, variance = np.float64(posterior.mean), np.float64(posterior.scale) ** 2
    assert_mean(w, mean)
    assert_mean((w - mean) ** 2, variance)
    d = (w - mean).reshape(len(w), -1)
    pairs = np.triu_indices(6, 1)
    assert_mean(d[:, pairs[0]] * d[:, pairs[1]], 0)  # elements are independent


def test_gradient_of_a_sample(posterior):
    """dw/dμ = 1 and dw/dρ = ε σ'(ρ)."""
    noise = Noise(1)
    with tf.GradientTape(persistent=True) as tape:
        w = posterior.sample(noise)
        scale = posterior.scale
    loc, rho = posterior._loc.value, posterior._unconstrained_scale.value
    np.testing.assert_array_equal(tape.gradient(w, loc), np.ones(SHAPE))
    slope = tape.gradient(scale, rho)
    np.testing.assert_allclose(tape.gradient(w, rho), noise.normal(SHAPE) * slope, rtol=1e-5)


def test_initializer_regularizer_constraint_apply_to_the_mean_only():
    layer = keras.layers.Layer()
    constraint = keras.constraints.NonNeg()
    posterior = MeanFieldNormal()
    posterior.build(layer, "kernel", SHAPE, "ones", keras.regularizers.L2(0.5), constraint)
    assert posterior._loc.constraint is constraint
    assert posterior._unconstrained_scale.constraint is None
    assert len(layer.losses) == 1
    assert float(layer.losses[0]) == pytest.approx(0.5 * 6)


def test_clone_is_an_unbuilt_equal_description(posterior):
    clone = posterior.clone()
    assert clone.get_config() == posterior.get_config()
    assert type(clone.scale_transform) is type(posterior.scale_transform)
    with pytest.raises(ValueError, match="MeanFieldNormal has no variables yet"):
        _ = clone.mean


def test_serialization():
    posterior = MeanFieldNormal(0.7, Exponential())
    config = keras.saving.serialize_keras_object(posterior)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.initial_scale == 0.7
    assert isinstance(copy.scale_transform, Exponential)


@pytest.mark.parametrize("attribute", ["mean", "scale", "shape"])
def test_use_before_build(attribute):
    with pytest.raises(ValueError, match=r"MeanFieldNormal has no variables yet: call its layer"):
        getattr(MeanFieldNormal(), attribute)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_unusable_initial_scale(scale):
    with pytest.raises(
        ValueError, match=rf"initial_scale must be a positive number, got {scale}; .*Point\(\)"
    ):
        MeanFieldNormal(scale)


# --- What other parts read of a family ------------------------------------------------------------


def test_variables_and_those_of_the_scale():
    """Weight decay must leave the second alone: it would pull ln σ to 0."""
    posterior = MeanFieldNormal()
    assert posterior.variables == []
    layer = keras.layers.Layer()
    posterior.build(layer, "kernel", SHAPE, "zeros")
    assert posterior.variables == [posterior._loc, posterior._unconstrained_scale]
    assert posterior.scale_variables == [posterior._unconstrained_scale]
    assert posterior.variables == layer.trainable_variables
    posterior.build(keras.layers.Layer(), "kernel", SHAPE, "zeros")
    assert len(posterior.variables) == 2  # those of the last build


def test_one_term_of_independent_elements(posterior):
    [term] = posterior.terms
    assert isinstance(term, Elementwise)
    assert term.normal
    np.testing.assert_array_equal(term.variance(), posterior.variance)
    np.testing.assert_array_equal(term.sample(Noise(1)), posterior.perturbation(Noise(1)))


def test_log_prob_and_entropy(posterior, rng):
    """Of the whole tensor, in nats."""
    w = rng.normal(size=SHAPE).astype(np.float32)
    mean, scale = np.float64(posterior.mean), np.float64(posterior.scale)
    expected = scipy.stats.norm.logpdf(w, mean, scale).sum()
    assert posterior.log_prob(w).shape == ()
    assert float(posterior.log_prob(w)) == pytest.approx(expected, rel=1e-4)
    entropy = np.sum(0.5 * np.log(2 * np.pi * np.e) + np.log(scale))
    assert float(tf.reduce_sum(posterior.entropy())) == pytest.approx(entropy, rel=1e-5)
    np.testing.assert_allclose(posterior.variance, scale**2, rtol=1e-5)
    np.testing.assert_allclose(posterior.log_scale, np.log(scale), rtol=1e-4, atol=1e-6)


def test_a_family_without_a_distribution_of_tfps():
    class Own(MeanFieldNormal):
        distribution = Posterior.distribution

    posterior = Own()
    posterior.build(keras.layers.Layer(), "kernel", SHAPE, "zeros")
    with pytest.raises(NotImplementedError, match=r"Own is no distribution of TFP's\."):
        posterior.entropy()
    posterior.sample(Noise(0))


@pytest.mark.parametrize("flag", ["factorized", "symmetric"])
def test_no_terms_where_elements_are_dependent_or_skewed(posterior, flag):
    setattr(posterior, flag, False)
    assert posterior.terms is None
