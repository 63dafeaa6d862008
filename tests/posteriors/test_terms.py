"""Terms of a posterior: the laws of their samples and of their local and flipped forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import operators
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization
from bnn.noise import Noise
from bnn.posteriors import Elementwise, LowRank, MeanFieldNormal, Posterior

DENSE = operators.Dense()
CONV = operators.Convolution((1,), "valid", "channels_last", (1,))
SHAPES = {"dense": (DENSE, (2, 2, 3), (3, 2)), "conv": (CONV, (2, 3, 2), (2, 2, 2))}
COUNT = 20_000


def simulate(function):
    """Flattened results [COUNT, n] of a function of the noise, at steps 0, 1, …"""

    @tf.function(jit_compile=True, autograph=False)
    def run():
        return tf.map_fn(
            lambda step: tf.reshape(function(Noise(3, step)), [-1]),
            tf.range(COUNT),
            fn_output_signature=tf.float32,
        )

    return run().numpy().astype(np.float64)


def assert_covariance(samples, expected, assert_mean):
    """Of samples [n, k] with mean 0; pairs whose product is always 0 are left out."""
    i, j = np.triu_indices(samples.shape[1])
    assert_mean(samples[:, i] * samples[:, j], expected[i, j])


def scale(shape):
    return tf.constant(np.random.default_rng(1).uniform(0.3, 0.9, shape), tf.float32)


def elementwise(shape):
    sigma = scale(shape)
    return Elementwise(lambda noise: sigma * noise.normal(shape), lambda: tf.square(sigma))


def factors(shape, rank=2):
    return tf.constant(np.random.default_rng(2).normal(size=(rank, *shape)), tf.float32)


def low_rank(shape):
    return LowRank(factors(shape))


def weight_covariance(term, shape):
    """Cov w of the flattened weights."""
    if isinstance(term, LowRank):
        u = factors(shape).numpy().reshape(2, -1)
        return u.T @ u
    return np.diag(np.square(scale(shape).numpy()).ravel())


def jacobian(operator, inputs, shape):
    """J of the flattened outputs, [outputs, weights]."""
    units = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    return np.stack([np.ravel(operator(inputs, unit)) for unit in units], axis=1)


def forms(term, operator, inputs, shape):
    return {
        "local": lambda noise: term.local(operator, inputs, noise),
        "flipped": lambda noise: term.flipped(operator, inputs, shape, noise)(inputs),
    }


TERMS = pytest.mark.parametrize("make", [elementwise, low_rank], ids=["elementwise", "low rank"])


@TERMS
def test_law_of_a_sample(make, assert_mean):
    shape = (3, 2)
    term = make(shape)
    w = simulate(term.sample)
    assert_mean(w, 0)
    covariance = weight_covariance(term, shape)
    assert_covariance(w, covariance, assert_mean)
    np.testing.assert_allclose(np.ravel(term.variance()), np.diag(covariance), rtol=1e-5)


@pytest.mark.parametrize("operator", SHAPES)
@pytest.mark.parametrize("form", ["local", "flipped"])
def test_forms_of_a_low_rank_term_are_exact_for_all_outputs_of_an_example(
    operator, form, rng, assert_mean
):
    """Across channels and positions as of one w; zero across examples."""
    operator, inputs, shape = SHAPES[operator]
    x = tf.constant(rng.normal(size=inputs), tf.float32)
    term = low_rank(shape)
    y = simulate(forms(term, operator, x, shape)[form])
    j = jacobian(operator, x, shape)
    covariance = j @ weight_covariance(term, shape) @ j.T
    example = np.repeat(np.arange(inputs[0]), len(j) // inputs[0])
    covariance *= np.equal.outer(example, example)
    assert_mean(y, 0)
    assert_covariance(y, covariance, assert_mean)


@pytest.mark.parametrize("operator", SHAPES)
def test_the_flipped_form_of_independent_elements(operator, rng, assert_mean):
    """Exact across the positions of an example; zero across channels and across examples."""
    operator, inputs, shape = SHAPES[operator]
    x = tf.constant(rng.normal(size=inputs), tf.float32)
    term = elementwise(shape)
    y = simulate(forms(term, operator, x, shape)["flipped"])
    j = jacobian(operator, x, shape)
    covariance = j @ weight_covariance(term, shape) @ j.T
    example = np.repeat(np.arange(inputs[0]), len(j) // inputs[0])
    covariance *= np.equal.outer(example, example)
    assert_mean(y, 0)
    assert_covariance(y, covariance, assert_mean)


@pytest.mark.parametrize("operator", SHAPES)
def test_the_local_form_of_independent_elements(operator, rng, assert_mean):
    """The variance of every output on its own; nothing across outputs."""
    operator, inputs, shape = SHAPES[operator]
    x = tf.constant(rng.normal(size=inputs), tf.float32)
    term = elementwise(shape)
    y = simulate(forms(term, operator, x, shape)["local"])
    j = jacobian(operator, x, shape)
    variance = np.diag(j @ weight_covariance(term, shape) @ j.T)
    assert_mean(y, 0)
    assert_covariance(y, np.diag(variance), assert_mean)


class SharedNoise(LowRank):
    """The defect to be seen: one z for all examples."""

    def local(self, operator, inputs, noise):
        z = noise.normal([1, 2])
        return self._weighted(operator, inputs, tf.tile(z, [inputs.shape[0], 1]))


def test_one_noise_for_all_examples_is_seen(rng, assert_mean):
    _, inputs, shape = SHAPES["dense"]
    x = tf.constant(rng.normal(size=inputs), tf.float32)
    y = simulate(lambda noise: SharedNoise(factors(shape)).local(DENSE, x, noise))
    with pytest.raises(AssertionError, match="z-scores"):
        assert_mean(y[:, 0] * y[:, 4], 0)


@TERMS
def test_a_flipped_form_is_one_linear_function(make, rng):
    """Repeated calls have the same perturbation and the same signs."""
    x = tf.constant(rng.normal(size=(5, 3)), tf.float32)
    apply = make((3, 2)).flipped(DENSE, x, (3, 2), Noise(1))
    np.testing.assert_array_equal(apply(x), apply(x))
    np.testing.assert_allclose(apply(x) - apply(2 * x), -apply(x), rtol=1e-4, atol=1e-5)


def test_a_flipped_bias_keeps_its_inputs_and_flips_its_outputs():
    term = elementwise((3,))
    y = term.flipped(operators.Bias(), tf.zeros((6, 4)), (3,), Noise(1))(tf.zeros((6, 4)))
    delta = np.abs(term.sample(Noise(1)))
    np.testing.assert_allclose(np.abs(y), np.broadcast_to(delta, (6, 3)), rtol=1e-6)
    assert len(np.unique(np.sign(y))) == 2


# --- A family of several terms ------------------------------------------------------------------


class MeanPlusTerms(Posterior):
    """N(μ, diag σ² + Σ U Uᵀ), in two terms."""

    normal = True

    def _build(self, layer, name, initializer, regularizer, constraint):
        self._loc = self.add_variable(layer, f"{name}_loc", self.shape, initializer=initializer)
        self._log_scale = self.add_variable(
            layer, f"{name}_log_scale", self.shape, initializer=keras.initializers.Constant(-1.0)
        )
        self._factors = self.add_variable(
            layer, f"{name}_factors", (2, *self.shape), initializer=keras.initializers.Ones()
        )

    @property
    def mean(self):
        return tf.convert_to_tensor(self._loc)

    @property
    def terms(self):
        sigma = tf.exp(tf.convert_to_tensor(self._log_scale))
        return (
            Elementwise(lambda noise: sigma * noise.normal(self.shape), lambda: tf.square(sigma)),
            LowRank(tf.convert_to_tensor(self._factors)),
        )

    def get_config(self):
        return {}


@pytest.fixture
def layer():
    layer = bnn.layers.Dense(2, use_bias=False, kernel_posterior=MeanPlusTerms())
    layer.build((None, 3))
    layer.kernel.posterior._factors.assign(factors((3, 2)))
    return layer


def test_terms_have_parts_of_the_noise_of_their_own(layer):
    q = layer.kernel.posterior
    one, other = q.terms
    noise = Noise(1, site=4)
    expected = q.mean + one.sample(noise) + other.sample(noise.at(part=1))
    np.testing.assert_allclose(q.sample(noise), expected, rtol=1e-6)


@pytest.mark.parametrize("estimator", [Reparameterization(), LocalReparameterization(), Flipout()])
def test_estimators_without_a_branch_for_it(layer, estimator, rng, assert_mean):
    """The covariance of the outputs of an example: of diagonal and factors together."""
    x = tf.constant(rng.normal(size=(1, 3)), tf.float32)

    def outputs(noise):
        with bnn.Draw(noise, estimator):
            return layer(x) - x @ layer.kernel.posterior.mean

    y = simulate(outputs)
    j = jacobian(DENSE, x, (3, 2))
    u = factors((3, 2)).numpy().reshape(2, -1)
    covariance = j @ (np.exp(-2) * np.eye(6) + u.T @ u) @ j.T
    assert_mean(y, 0)
    assert_covariance(y, covariance, assert_mean)


def test_its_variables(layer):
    q = layer.kernel.posterior
    names = ["kernel_loc", "kernel_log_scale", "kernel_factors"]
    assert [v.name for v in q.variables] == names
    assert [v.name for v in q.scale_variables] == names[1:]
    assert q.variables == layer.trainable_variables


def test_too_many_terms():
    class Many(MeanPlusTerms):
        @property
        def terms(self):
            return super().terms * 9

    layer = bnn.layers.Dense(2, use_bias=False, kernel_posterior=Many())
    layer.build((None, 3))
    with pytest.raises(ValueError, match="a posterior has at most 16 terms, got 18"):
        layer.kernel.posterior.sample(Noise(0))


def test_estimators_that_need_terms(rng):
    """A family without terms, such as a flow, is sampled and nothing else."""

    class Flow(MeanPlusTerms):
        terms = None

        def sample(self, noise):
            return self.mean + tf.sinh(noise.normal(self.shape))

    layer = bnn.layers.Dense(2, use_bias=False, kernel_posterior=Flow())
    layer.build((None, 3))
    q = layer.kernel.posterior
    np.testing.assert_allclose(q.perturbation(Noise(1)), q.sample(Noise(1)) - q.mean, rtol=1e-5)
    with bnn.Draw(0, Reparameterization()):
        layer(tf.ones((1, 3)))
    for estimator in (Flipout(), LocalReparameterization()):
        with bnn.Draw(0, estimator), pytest.raises(ValueError, match=r"cannot serve .* Flow: it"):
            layer(tf.ones((1, 3)))


def test_a_family_must_say_how_it_is_sampled():
    class Silent(MeanFieldNormal):
        perturbation = Posterior.perturbation

    q = Silent()
    q.build(keras.layers.Layer(), "kernel", (2,), "zeros")
    message = "Silent must say how it is sampled: implement terms, perturbation or sample"
    with pytest.raises(NotImplementedError, match=message):
        q.sample(Noise(0))


def test_a_family_must_say_what_its_mean_is():
    class Meanless(MeanFieldNormal):
        def _build(self, layer, name, **options):
            self._weights = self.add_variable(layer, f"{name}_weights", self.shape, **options)

    q = Meanless()
    with pytest.raises(ValueError, match="Meanless has no variables yet"):
        q.mean  # noqa: B018
    q.build(keras.layers.Layer(), "kernel", (2,), "zeros")
    with pytest.raises(NotImplementedError, match="Meanless must say what its mean is: call add"):
        q.mean  # noqa: B018
