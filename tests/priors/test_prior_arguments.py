"""Refusals of the priors, each by its text; planted defects; what single priors do."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import bnn
from bnn import priors as p
from bnn.divergences import MonteCarlo, kl_terms
from bnn.noise import Noise
from bnn.posteriors import MeanFieldNormal, Point
from bnn.priors.horseshoe import scaled_exponential_integral
from tests.priors.descriptors import PRIORS, build, horseshoe


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        (p.Laplace, "scale"),
        (p.StudentT, "scale"),
        (p.StudentT, "df"),
        (p.Cauchy, "scale"),
        (p.Horseshoe, "scale"),
        (p.Horseshoe, "slab_scale"),
        (p.SpikeAndSlab, "slab_scale"),
        (p.SpikeAndSlab, "spike_scale"),
        (p.FanInNormal, "gain"),
        (p.ARD, "scale"),
        (p.LearnedMixture, "scale"),
        (p.MatrixNormal, "scale"),
        (p.HierarchicalNormal, "shape"),
        (p.HierarchicalNormal, "rate"),
        (p.HierarchicalNormal, "scale"),
    ],
)
def test_unusable_scale(kind, argument, value):
    refusal = f"{argument} must be a positive finite number, got {value}"
    with pytest.raises(ValueError, match=refusal):
        kind(**{argument: value})


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (lambda: p.SpikeAndSlab(1.0), r"weight must lie strictly .*, got 1.0; .*priors\.Laplace"),
        (
            lambda: p.SpikeAndSlab(0.5, 1.0, 2.0),
            r"spike_scale must be below .*swap them",
        ),
        (lambda: p.Horseshoe(1.0, 0.5), r"slab_scale must be above scale, got slab_scale=0.5 and"),
        (lambda: p.ARD("rows"), r"channels must be \"inputs\" or \"outputs\", got 'rows'"),
        (lambda: p.LearnedMixture(1), r"num_components must be at least 2, got 1; .*Normal\("),
        (lambda: p.LearnedMixture(2.0), "num_components must be an integer, got 2.0"),
        (
            lambda: p.MatrixNormal(1.0, 1.0),
            "row_correlation must lie strictly between -1",
        ),
        (lambda: p.MatrixNormal(1.0, 0.0, -2.0), "column_correlation must lie strictly between"),
        (lambda: p.ArrayNormal(0.0, [1.0, -1.0]), "scale must be positive everywhere, got a least"),
        (lambda: p.ArrayNormal([np.nan]), "loc must be finite everywhere, got"),
    ],
)
def test_other_unusable_arguments(make, refusal):
    with pytest.raises(ValueError, match=refusal):
        make()


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (p.FanInNormal, "FanInNormal knows no fan-in yet: build its layer first"),
        (p.ARD, "ARD has no variable yet: build its layer first"),
        (p.LearnedMixture, "LearnedMixture has no variables yet: build its layer first"),
        (p.MatrixNormal, "MatrixNormal knows no shape yet: build its layer first"),
        (p.HierarchicalNormal, "HierarchicalNormal has no variable yet: build its layer first"),
    ],
)
def test_use_before_build(make, refusal):
    with pytest.raises(ValueError, match=refusal):
        make().log_prob(tf.zeros((3, 2)))


def test_priors_without_a_closed_form_of_tfp_say_so():
    for kind in (p.Horseshoe, p.SpikeAndSlab, p.LogUniform, p.LearnedMixture, p.MatrixNormal):
        with pytest.raises(NotImplementedError, match=f"{kind.__name__} is no distribution of TFP"):
            kind().distribution()
    with pytest.raises(NotImplementedError, match="HierarchicalNormal is no distribution of TFP's"):
        p.HierarchicalNormal().distribution()


# --- Arrays -----------------------------------------------------------------------------------


def test_arrays_pass_a_saved_file_bit_by_bit(tmp_path):
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=(3, 2)).astype(np.float32), rng.random((3, 2)).astype(np.float32)
    layer = bnn.layers.Dense(2, use_bias=False, kernel_prior=p.ArrayNormal(loc, scale))
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(tmp_path / "model.keras")
    prior = keras.saving.load_model(tmp_path / "model.keras").layers[0].kernel.prior
    np.testing.assert_array_equal(prior.loc, loc)
    np.testing.assert_array_equal(prior.current_scale(), scale)


def test_the_configuration_of_arrays_is_json():
    config = p.ArrayNormal([[0.5, 1.0]], 2.0).get_config()
    assert config["loc"] == {"shape": [1, 2], "float32": "AAAAPwAAgD8="}
    assert config["scale"] == {"shape": [], "float32": "AAAAQA=="}


def test_damaged_arrays_are_refused():
    config = p.ArrayNormal([0.5, 1.0], 2.0).get_config()
    config["loc"]["shape"] = [3]
    with pytest.raises(ValueError, match=r"shape \(3,\) must have 12 bytes .*, got 8; .*damaged"):
        p.ArrayNormal.from_config(config)


def test_arrays_that_do_not_fit_the_tensor():
    layer = bnn.layers.Dense(2, kernel_prior=p.ArrayNormal(np.zeros((3, 4))), name="first")
    refusal = r"loc of ArrayNormal must broadcast to the shape \(3, 2\) of 'kernel' of layer"
    with pytest.raises(ValueError, match=refusal):
        layer.build((None, 3))


# --- Single priors ------------------------------------------------------------------------------


def test_exponential_integral_against_scipy():
    x = np.geomspace(1e-12, 1e12, 2001).astype(np.float32)
    exact = scipy.special.exp1(np.minimum(x, 600).astype(np.float64)) * np.exp(
        np.minimum(x, 600).astype(np.float64)
    )
    exact = np.where(x < 600, exact, 1 / (x.astype(np.float64) + 1))
    np.testing.assert_allclose(scaled_exponential_integral(tf.constant(x)), exact, rtol=5e-6)


def test_horseshoe_has_the_tails_of_a_cauchy_and_the_slab_those_of_a_normal():
    w = tf.constant([50.0, 100.0])
    free, slab = p.Horseshoe(0.3).log_prob(w), p.Horseshoe(0.3, 2.0).log_prob(w)
    assert float(free[0] - free[1]) == pytest.approx(np.log(4), abs=1e-3)
    assert float(slab[0] - slab[1]) == pytest.approx((100**2 - 50**2) / 8 + np.log(4), rel=1e-3)


def test_point_with_laplace_is_the_l1_penalty():
    posterior = Point()
    posterior.build(keras.layers.Layer(), "kernel", (3,), keras.initializers.Constant(0.5))
    [term] = kl_terms(posterior, p.Laplace(0.0, 0.25), Noise(0), MonteCarlo())
    assert float(tf.reduce_sum(term)) == pytest.approx(3 * (0.5 / 0.25 + np.log(0.5)), rel=1e-6)


def test_log_uniform_gives_every_normal_about_zero_no_kl():
    for scale in (1e-3, 0.1, 10.0):
        posterior = MeanFieldNormal(scale)
        posterior.build(keras.layers.Layer(), "kernel", (2,), "zeros")
        [closed] = kl_terms(posterior, p.LogUniform(), Noise(0), MonteCarlo())
        np.testing.assert_allclose(closed, 0, atol=1e-5)


def test_fan_in_of_kernels_and_biases():
    for shape, scale in (((4, 9), 0.5), ((2, 2, 4, 3), 0.25), ((7,), 1.0)):
        prior = p.FanInNormal()
        prior.build(keras.layers.Layer(), "w", shape)
        assert float(prior.current_scale()) == pytest.approx(scale)


def test_ard_scales_by_channel():
    for shape, channels, expected in (
        ((4, 3), "inputs", (4, 1)),
        ((4, 3), "outputs", (1, 3)),
        ((2, 2, 4, 3), "inputs", (1, 1, 4, 1)),
        ((3,), "inputs", (3,)),
    ):
        prior = p.ARD(channels)
        prior.build(keras.layers.Layer(), "w", shape)
        assert prior.current_scale().shape == expected


def test_learned_mixture_starts_spread_out():
    prior = p.LearnedMixture(3, 0.6)
    prior.build(keras.layers.Layer(), "w", (2, 2))
    log_weights, locs, log_scales = prior.components()
    np.testing.assert_allclose(np.exp(log_weights), [1 / 3] * 3, rtol=1e-6)
    np.testing.assert_allclose(locs, [-0.6, 0.0, 0.6], atol=1e-7)
    np.testing.assert_allclose(np.exp(log_scales), [0.2] * 3, rtol=1e-6)


# --- Planted defects ----------------------------------------------------------------------------


class HierarchicalWithoutTheHyperprior(p.HierarchicalNormal):
    def negative_log_hyperprior(self):
        return tf.constant(0.0)


class MatrixNormalWithOneCorrelation(p.MatrixNormal):
    def half_log_det(self):
        return super().half_log_det() - (
            self.shape[0] * (self.shape[1] - 1) * 0.5 * np.log1p(-(self.column_correlation**2))
        )


class SlabWithoutItsConstant(p.Horseshoe):
    def log_prob(self, weights):
        free = p.Horseshoe(self.scale).log_prob(weights)
        return free - 0.5 * tf.square(weights / self.slab_scale)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("HierarchicalNormal", HierarchicalWithoutTheHyperprior),
        ("MatrixNormal", MatrixNormalWithOneCorrelation),
        ("Horseshoe slab", SlabWithoutItsConstant),
    ],
)
def test_a_wrong_density_is_caught(name, kind, rng):
    prior = build(name)
    w = rng.normal(size=(3, 2)).astype(np.float32)
    expected = PRIORS[name].log_prob(prior, w)
    np.testing.assert_allclose(prior.log_prob(tf.constant(w)), expected, rtol=2e-5, atol=2e-5)
    prior.__class__ = kind
    assert np.abs(prior.log_prob(tf.constant(w)) - expected).max() > 1e-2


def test_the_regularised_constant_is_the_integral():
    """arccos(a) / √(1 − a²) · 2/π against quadrature: within the density's own test, for many a."""
    for tau, slab in ((0.01, 1.0), (0.5, 0.6), (0.1, 30.0)):
        w = np.array([[0.1, -0.4]], np.float32)
        np.testing.assert_allclose(
            p.Horseshoe(tau, slab).log_prob(tf.constant(w)), horseshoe(w, tau, slab), atol=2e-5
        )
