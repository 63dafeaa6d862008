"""Sites: their order, their numbers in draws and ledger, their names and labels."""

from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Mean, Reparameterization
from bnn.noise import Noise, Purpose
from bnn.posteriors import MeanFieldNormal
from bnn.priors import ScaleMixture

WIDE = {"use_bias": False, "kernel_posterior": MeanFieldNormal(0.5)}


def dense(units, **options):
    return bnn.layers.Dense(units, **WIDE, **options)


class Reversed(keras.Model):
    """Calls its layers in the reverse of the order of their declaration."""

    def __init__(self):
        super().__init__()
        self.last, self.middle, self.first = dense(2), dense(4), dense(5)

    def call(self, inputs):
        return self.last(self.middle(self.first(inputs)))


def functional():
    """The second of two branches is called first: the order of layers is not that of calls."""
    x = keras.Input((3,))
    a, b = dense(4, name="a"), dense(4, name="b")
    late = b(x)
    return keras.Model(x, dense(2)(keras.layers.Add()([a(late), late])))


def nested():
    inner = keras.Sequential([keras.Input((4,)), dense(3), keras.layers.ReLU(), dense(4)])
    return keras.Sequential([keras.Input((3,)), dense(4), inner, dense(2)])


def reversed_model():
    model = Reversed()
    model(tf.zeros((1, 3)))
    return model


MODELS = pytest.mark.parametrize("make", [functional, reversed_model, nested])


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(5, 3)), tf.float32)


def drawn(model, x, noise):
    with bnn.Draw(noise, Reparameterization()) as draw:
        outputs = model(x)
    return outputs, draw.weights


# --- The order --------------------------------------------------------------------------------


@MODELS
def test_draws_number_the_sites_in_the_models_order(make, x):
    model = make()
    sites = list(bnn.sites(model).values())
    assert len(sites) in (3, 4)
    _, weights = drawn(model, x, Noise(5))
    for number, site in enumerate(sites):
        np.testing.assert_array_equal(weights[site], site.posterior.sample(Noise(5, site=number)))


@MODELS
def test_draw_predict_and_objective_have_the_same_numbers(make, x):
    model = make()
    noise = Noise(5, purpose=Purpose.PREDICTION)
    outputs, _ = drawn(model, x, noise)
    predicted = bnn.predict(model, x, 1, seed=5, jit_compile=False)[0]
    np.testing.assert_allclose(predicted, outputs, rtol=1e-4, atol=1e-5)
    objective = bnn.objectives.NegativeELBO(bnn.likelihoods.Normal(), 10)
    terms = objective(model, x, tf.zeros((5, 2)), estimator=Reparameterization(), noise=noise)
    nll = -tf.reduce_mean(bnn.likelihoods.Normal().log_prob(outputs, tf.zeros((5, 2))))
    assert float(terms.nll) == pytest.approx(float(nll), rel=1e-5)


@MODELS
def test_the_ledger_has_the_numbers_of_the_draws(make, x):
    """Its Monte-Carlo noise is that of the site's number, which the log-ratio shows."""
    model = make()
    for site in bnn.sites(model).values():
        site.prior = ScaleMixture(0.5, 1.0, 0.1)
    estimate = bnn.divergences.MonteCarlo(1, antithetic=False)
    parts = bnn.ledger(model, seed=5, step=2, kl=estimate)
    _, weights = drawn(model, x, Noise(5, 2, purpose=Purpose.KL))
    for name, site in bnn.sites(model).items():
        log_prior = tf.reduce_sum(site.prior.log_prob(weights[site]))
        expected = -tf.reduce_sum(site.posterior.entropy()) - log_prior
        assert float(parts[name]) == pytest.approx(float(expected), rel=1e-5)


def test_a_part_of_a_model_called_alone_is_a_model_of_its_own(x):
    model = nested()
    last = model.layers[-1]
    with bnn.Draw(5, Reparameterization()) as draw:
        last(tf.zeros((1, 4)))
    np.testing.assert_array_equal(
        draw.weights[last.sites[0]], last.kernel.posterior.sample(Noise(5))
    )


def test_two_models_in_one_draw_have_numbers_one_after_the_other(x):
    one, other = nested(), functional()
    with bnn.Draw(5, Reparameterization()) as draw:
        one(x)
        other(x)
    sites = [*bnn.sites(one).values(), *bnn.sites(other).values()]
    for number, site in enumerate(sites):
        w = site.posterior.sample(Noise(5, site=number))
        np.testing.assert_array_equal(draw.weights[site], w)


def test_a_site_called_outside_of_any_layer_has_a_number(x):
    layer = dense(2)
    layer.build((None, 3))
    with bnn.Draw(5, Reparameterization()):
        outputs = layer.kernel(x)
    np.testing.assert_allclose(outputs, x @ layer.kernel.posterior.sample(Noise(5)), rtol=1e-5)


# --- Names and labels -------------------------------------------------------------------------


def test_nested_models_are_numbered_depth_first():
    shapes = {name: site.posterior.shape for name, site in bnn.sites(nested()).items()}
    assert shapes == {
        "0_dense/kernel": (3, 4),
        "1_dense/kernel": (4, 3),
        "2_dense/kernel": (3, 4),
        "3_dense/kernel": (4, 2),
    }


def test_labels_tell_a_class_from_a_layers_name():
    layer = bnn.layers.Conv1D(2, 2, name="dense")
    layer.build((None, 5, 3))
    kernel, bias = layer.sites
    assert kernel.labels == ("conv1d/kernel", "@dense/kernel")
    assert bias.labels == ("conv1d/bias", "@dense/bias")
    assert kernel.label == "dense/kernel"
    assert repr(kernel) == "Site('dense/kernel', [2, 3, 2], MeanFieldNormal ‖ Normal)"


def test_a_plain_keras_model_has_no_sites():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert bnn.sites(model) == {}
    assert bnn.ledger(model) == {}


def test_a_layer_that_is_not_built():
    model = keras.Sequential([bnn.layers.Dense(2, name="first")], name="unbuilt")
    with pytest.raises(
        ValueError, match=r"layer 'first' of model 'unbuilt' has no variables yet; .*keras\.Input"
    ):
        bnn.sites(model)


# --- Layers with any sites --------------------------------------------------------------------


class Scaled(bnn.layers.BayesianLayer):
    """y = s ∘ (x W): two sites, of which one is called with the outputs of the other."""

    site_initializers: ClassVar = {"matrix": "glorot_uniform", "scale": "ones"}

    def build(self, input_shape):
        self.matrix = self.add_site("matrix", bnn.operators.Dense(), (input_shape[-1], 2))
        self.scale = self.add_site("scale", Diagonal(), (2,))

    def call(self, inputs):
        return self.scale(self.matrix(self.floating(inputs)))


class Diagonal(bnn.operators.Operator):
    def apply(self, inputs, weights):
        return inputs * weights

    def output_channels(self, weight_shape):
        return weight_shape[0]


@pytest.fixture
def scaled():
    layer = Scaled(scale_posterior=MeanFieldNormal(0.3), scale_regularizer="l2")
    layer.build((None, 3))
    return layer


def test_a_layer_with_sites_of_its_own(scaled, x):
    np.testing.assert_allclose(
        scaled(x), x @ scaled.matrix.posterior.mean * scaled.scale.posterior.mean, rtol=1e-5
    )
    with bnn.Draw(1, Reparameterization()):
        outputs = scaled(x)
    matrix, scale = (s.posterior.sample(Noise(1, site=i)) for i, s in enumerate(scaled.sites))
    np.testing.assert_allclose(outputs, x @ matrix * scale, rtol=1e-5, atol=1e-6)
    assert list(bnn.ledger(scaled)) == ["0_scaled/matrix", "0_scaled/scale"]
    assert scaled.scale.posterior.initial_scale == 0.3
    assert len(scaled.losses) == 1


def test_options_of_its_sites_are_saved(scaled):
    copy = Scaled.from_config(scaled.get_config())
    assert copy.get_config() == scaled.get_config()
    assert copy.scale_posterior.initial_scale == 0.3
    assert isinstance(copy.scale_initializer, keras.initializers.Ones)


def test_every_estimator_serves_it(scaled, x):
    for estimator in (Mean(), bnn.estimators.Flipout(), bnn.estimators.LocalReparameterization()):
        with bnn.Draw(1, estimator):
            assert scaled(x).shape == (5, 2)


def test_an_option_of_no_site():
    with pytest.raises((TypeError, ValueError), match="bias_posterior"):
        Scaled(bias_posterior=MeanFieldNormal())


def test_a_point_with_a_learned_prior_is_refused_at_build():
    """−log p(w) has no lower bound in the prior's scale."""
    layer = bnn.layers.Dense(
        2,
        name="head",
        kernel_posterior=bnn.posteriors.Point(),
        kernel_prior=bnn.priors.Normal(trainable=True),
    )
    message = (
        r"kernel_prior of layer 'head' must not be learned where kernel_posterior is Point\(\): "
        r".* Use MeanFieldNormal\(\), or a prior with trainable=False\."
    )
    with pytest.raises(ValueError, match=message):
        layer.build((None, 3))
