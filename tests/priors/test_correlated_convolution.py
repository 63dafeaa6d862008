"""The prior of filters whose neighbouring places are correlated."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import bnn
from bnn import posteriors, priors
from bnn.divergences import MonteCarlo, kl_terms
from bnn.noise import Noise


def built(shape, scale=0.7, length_scale=1.5):
    prior = priors.CorrelatedConvolution(scale, length_scale)
    prior.build(keras.layers.Layer(), "kernel", shape)
    return prior


def covariance(shape, scale=0.7, length_scale=1.5):
    """Of the flattened weights, entry by entry."""
    index = list(np.ndindex(*shape))
    found = np.zeros([len(index)] * 2)
    for i, a in enumerate(index):
        for j, b in enumerate(index):
            if a[-2:] == b[-2:]:
                distance = np.linalg.norm(np.subtract(a[:-2], b[:-2]))
                found[i, j] = scale**2 * np.exp(-distance / length_scale)
    return found


@pytest.mark.parametrize("shape", [(3, 2, 2, 2), (4, 1, 3), (2, 2, 2, 1, 2), (3, 2)])
def test_density_is_that_of_the_joint_normal(shape, rng):
    w = rng.normal(size=shape).astype(np.float32)
    expected = scipy.stats.multivariate_normal(cov=covariance(shape)).logpdf(w.ravel())
    assert float(built(shape).log_prob(tf.constant(w))) == pytest.approx(expected, rel=1e-5)


def test_independent_places_are_another_prior(rng):
    """The defect: K forgotten."""
    w = rng.normal(size=(3, 2, 2, 2)).astype(np.float32)
    independent = priors.Normal(0.0, 0.7).log_prob(tf.constant(w))
    assert abs(float(tf.reduce_sum(independent)) - float(built(w.shape).log_prob(w))) > 1


def test_closed_kl_against_the_formula_of_two_normals():
    shape = (3, 2, 2, 2)
    posterior, prior = posteriors.MeanFieldNormal(0.4), built(shape)
    posterior.build(keras.layers.Layer(), "kernel", shape, "glorot_normal")
    [kl] = kl_terms(posterior, prior, Noise(0), MonteCarlo())
    mean = np.float64(posterior.mean).ravel()
    precision = np.linalg.inv(covariance(shape))
    expected = 0.16 * np.trace(precision) + mean @ precision @ mean - len(mean)
    expected -= np.linalg.slogdet(precision)[1] + len(mean) * np.log(0.16)
    assert float(kl) == pytest.approx(expected / 2, rel=1e-5)


def test_a_convolution_is_saved_with_it(tmp_path):
    layer = bnn.layers.Conv2D(2, 3, kernel_prior=priors.CorrelatedConvolution(0.5, 2.0))
    model = keras.Sequential([keras.Input((5, 5, 1)), layer])
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    assert {k: float(v) for k, v in bnn.ledger(model).items()} == {
        k: float(v) for k, v in bnn.ledger(other).items()
    }


def test_features_and_heads_of_attention_are_no_places():
    """Its kernels have three axes, `[width, heads, size]`, of which none is space."""
    prior = priors.CorrelatedConvolution(0.7, 2.0)
    layer = bnn.layers.MultiHeadAttention(2, 3, kernel_prior=prior)
    inputs = keras.Input((4, 5))
    kernels = {
        site.posterior.shape: site.prior
        for name, site in bnn.sites(keras.Model(inputs, layer(inputs, inputs))).items()
        if name.endswith("kernel")
    }
    assert set(kernels) == {(5, 2, 3), (2, 3, 5)}
    for shape, found in kernels.items():
        w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        exact = scipy.stats.norm.logpdf(w, scale=0.7).sum()
        assert float(found.log_prob(tf.constant(w))) == pytest.approx(exact, rel=1e-5)


class Shifts(keras.layers.Layer):
    """Adds weights of three axes, of which it says nothing."""

    def build(self, input_shape):
        self.shifts = self.add_weight(shape=(*input_shape[1:], 2), name="shifts")

    def call(self, inputs):
        return inputs[..., None] + self.shifts


def priors_within(layer, *shapes):
    """The prior of every site of a Keras layer with weights by substitution, by shape."""
    prior = priors.CorrelatedConvolution(0.7, 2.0)
    inputs = [keras.Input(shape) for shape in shapes]
    wrapped = bnn.layers.WeightSpace(layer, prior=prior)
    model = keras.Model(inputs, wrapped(*inputs))
    return {site.posterior.shape: site.prior for site in bnn.sites(model).values()}


def test_attention_of_keras_has_no_places():
    attention = keras.layers.MultiHeadAttention(2, 3)
    found = priors_within(attention, (4, 5), (4, 5))
    assert set(found) == {(5, 2, 3), (2, 3, 5), (2, 3), (5,)}
    for shape, prior in found.items():
        w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        exact = scipy.stats.norm.logpdf(w, scale=0.7).sum()
        assert float(prior.log_prob(tf.constant(w))) == pytest.approx(exact, rel=1e-5)


def test_filters_of_keras_have_places_where_they_are_wrapped():
    block = keras.Sequential([keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    found = priors_within(block, (5, 5, 1))
    w = np.random.default_rng(0).normal(size=(3, 3, 1, 2)).astype(np.float32)
    exact = scipy.stats.multivariate_normal(cov=covariance(w.shape, 0.7, 2.0)).logpdf(w.ravel())
    assert float(found[w.shape].log_prob(tf.constant(w))) == pytest.approx(exact, rel=1e-5)


def test_weights_of_which_nothing_is_known_are_refused():
    with pytest.raises(
        ValueError,
        match=r"needs filters, .* weights shifts of shape \(4, 5, 2\) are of Shifts, which is no",
    ):
        priors_within(Shifts(), (4, 5))


def test_before_its_layer_is_built():
    with pytest.raises(ValueError, match="CorrelatedConvolution knows no shape yet: build its"):
        priors.CorrelatedConvolution().log_prob(tf.ones((2, 2, 1, 1)))
