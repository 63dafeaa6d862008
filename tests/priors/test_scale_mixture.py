import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from bnn.priors import ScaleMixture

OPTIONS = [
    {},
    {"weight": 0.25, "wide_scale": 2.0, "narrow_scale": 0.3},
    {"weight": 0.9, "wide_scale": 0.5, "narrow_scale": 1e-4},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_density_is_equation_7_of_blundell(options):
    prior = ScaleMixture(**options)
    w = np.array([[0.0, 1e-3, -0.02], [0.4, -1.0, 3.0]], np.float32)
    wide = scipy.stats.norm.pdf(w, 0, prior.wide_scale)
    narrow = scipy.stats.norm.pdf(w, 0, prior.narrow_scale)
    expected = np.log(prior.weight * wide + (1 - prior.weight) * narrow)
    log_prob = prior.distribution().log_prob(w)
    assert log_prob.shape == w.shape
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4, atol=1e-5)


def test_density_is_normalised():
    prior = ScaleMixture(0.3, 1.0, 0.2).distribution()
    w = np.linspace(-12, 12, 20_001).astype(np.float32)
    assert scipy.integrate.trapezoid(np.exp(prior.log_prob(w)), w) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("options", OPTIONS)
def test_clone_and_serialization(options):
    prior = ScaleMixture(**options)
    config = keras.saving.serialize_keras_object(prior)
    for copy in (prior.clone(), keras.saving.deserialize_keras_object(config)):
        assert copy.get_config() == prior.get_config()


@pytest.mark.parametrize("weight", [0, 1, -0.1, 1.1, float("nan")])
def test_unusable_weight(weight):
    with pytest.raises(
        ValueError, match=rf"weight must lie strictly between 0 and 1, got {weight}; .*Normal\("
    ):
        ScaleMixture(weight)


@pytest.mark.parametrize("name", ["wide_scale", "narrow_scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_unusable_scale(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive finite number, got {value}"):
        ScaleMixture(**{name: value})


@pytest.mark.parametrize("narrow", [1.0, 2.0])
def test_scales_in_the_wrong_order(narrow):
    with pytest.raises(
        ValueError,
        match=rf"below wide_scale, got narrow_scale={narrow} and wide_scale=1.0; swap them",
    ):
        ScaleMixture(narrow_scale=narrow)
