import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import bnn
from bnn.estimators import (
    BySite,
    Flipout,
    LocalReparameterization,
    Mean,
    Reparameterization,
    ScoreFunction,
)
from bnn.objectives.densities import log_ratios, require_pathwise
from bnn.posteriors import MeanFieldNormal, Point, Softplus
from bnn.priors import Normal, ScaleMixture

X = tf.ones((2, 3))


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((3,)),
            bnn.layers.Dense(
                2,
                kernel_posterior=MeanFieldNormal(0.5),
                kernel_prior=ScaleMixture(),
                bias_posterior=Point(),
                bias_initializer="random_normal",
                bias_prior=Normal(0.3, 0.7),
            ),
            bnn.layers.Dense(1, kernel_posterior=MeanFieldNormal(0.2, Softplus()), use_bias=False),
        ]
    )


def drawn(model, estimator=None, **options):
    with bnn.Draw(0, estimator or Reparameterization(), **options) as draw:
        model(X)
    return draw


def test_ratios_are_those_of_the_realised_weights(model):
    draw = drawn(model)
    ratios = log_ratios(model, draw)
    sites = bnn.sites(model)
    assert list(ratios) == list(sites)
    for name, site in sites.items():
        w = draw.weights[site]
        log_q = 0.0
        if not site.posterior.deterministic:
            q = tfd.Normal(site.posterior.mean, site.posterior.scale)
            log_q = tf.reduce_sum(q.log_prob(w))
        expected = log_q - tf.reduce_sum(site.prior.distribution().log_prob(w))
        assert float(ratios[name]) == pytest.approx(float(expected), rel=1e-5)


def test_a_point_counts_its_prior_alone(model):
    ratio = log_ratios(model, drawn(model))["0_dense/bias"]
    assert float(ratio) == pytest.approx(float(bnn.ledger(model)["0_dense/bias"]), rel=1e-6)


def test_expectation_is_the_ledger(model, assert_mean):
    @tf.function(jit_compile=True)
    def run(steps):
        return tf.map_fn(
            lambda step: log_ratios(model, drawn(model, step=step))["1_dense/kernel"],
            steps,
            fn_output_signature=tf.float32,
        )

    assert_mean(run(tf.range(4000)), float(bnn.ledger(model)["1_dense/kernel"]))


def test_path_only_has_the_value_and_no_score(model):
    """∂ log q(w; μ, σ) + ∂w · ∂_w log q, without the first: −ε/σ · (1, ε) in (μ, σ)."""
    site = bnn.sites(model)["1_dense/kernel"]
    variables = model.layers[-1].trainable_variables
    gradients, values = {}, {}
    for path_only in (True, False):
        with tf.GradientTape() as tape:
            draw = drawn(model)
            log_q = log_ratios(model, draw, path_only=path_only)["1_dense/kernel"]
            log_q += tf.reduce_sum(site.prior.distribution().log_prob(draw.weights[site]))
        gradients[path_only] = tape.gradient(log_q, variables, unconnected_gradients="zero")
        values[path_only] = float(log_q)
    assert values[True] == pytest.approx(values[False], rel=1e-6)
    sigma = site.posterior.scale
    epsilon = (draw.weights[site] - site.posterior.mean) / sigma
    slope = 1 - tf.exp(-sigma)  # of softplus
    np.testing.assert_allclose(gradients[True][0], -epsilon / sigma, rtol=1e-4)
    np.testing.assert_allclose(gradients[True][1], -(epsilon**2) / sigma * slope, rtol=1e-4)
    np.testing.assert_allclose(gradients[False][0], 0, atol=1e-5)
    np.testing.assert_allclose(gradients[False][1], -slope / sigma, rtol=1e-4)


def test_point_posteriors_are_pathwise_under_any_estimator(model):
    rules = {"dense/kernel": Reparameterization()}
    require_pathwise(drawn(model, BySite(rules, ScoreFunction())), "this")


# --- Errors -----------------------------------------------------------------------------------


def test_score_function_has_no_path(model):
    message = (
        r"this needs gradients through the weights, but the estimator at site '\w+/kernel' is "
        "ScoreFunction; use Reparameterization"
    )
    with pytest.raises(ValueError, match=message):
        require_pathwise(drawn(model, ScoreFunction()), "this")


@pytest.mark.parametrize("estimator", [Flipout(), LocalReparameterization()])
def test_estimators_without_one_weight_tensor(model, estimator):
    message = f"{type(estimator).__name__} does not realise one weight tensor for the whole batch"
    with pytest.raises(ValueError, match=message):
        log_ratios(model, drawn(model, estimator))


def test_a_site_that_was_not_called(model):
    with bnn.Draw(0, Mean()) as draw:
        model.layers[0](X)
    with pytest.raises(ValueError, match="site '1_dense/kernel' was not used in the draw; call"):
        log_ratios(model, draw)


@pytest.mark.parametrize("estimator", [Mean(), Reparameterization(), ScoreFunction()])
def test_weights_of_a_draw_give_its_outputs(model, estimator):
    draw = bnn.Draw(4, estimator)
    with draw:
        outputs = model(X)
    kernel, bias, last = draw.weights.values()
    np.testing.assert_allclose(outputs, (X @ kernel + bias) @ last, rtol=1e-5)
    assert list(draw.weights) == list(bnn.sites(model).values())
