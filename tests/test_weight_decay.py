"""Weight decay is for weights: without any gradient the scales of posteriors stay as they are."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import compat
from bnn.methods import MAP, Problem, VariationalInference
from bnn.weight_decay import check_decay, decayed_scales

DECAYING = {
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "Lion": lambda: keras.optimizers.Lion(0.01, weight_decay=0.1),
    "SGD": lambda: keras.optimizers.SGD(0.01, weight_decay=0.1),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.AdamW(0.01, weight_decay=0.1)
    ),
}


def network(**options):
    return keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3, **options)])


def sigma(model):
    return np.sqrt(model.layers[0].kernel_posterior.variance.numpy())


def without_gradients(optimizer, variables, steps=200):
    zeros = [tf.zeros_like(v) for v in variables]
    for _ in range(steps):
        optimizer.apply(zeros, variables)


@pytest.mark.parametrize("name", DECAYING)
def test_the_scales_of_a_bayesian_model_stay(name):
    model = bnn.BayesianModel(network(), bnn.likelihoods.Categorical())
    model.compile(DECAYING[name]())
    before, mean = sigma(model.network), model.network.layers[0].kernel_loc.numpy()
    without_gradients(model.optimizer, model.trainable_variables)
    np.testing.assert_array_equal(sigma(model.network), before)
    shrunk = model.network.layers[0].kernel_loc.numpy() / mean
    np.testing.assert_allclose(shrunk, (1 - 0.01 * 0.1) ** 200, rtol=1e-4)  # weights do decay


@pytest.mark.parametrize("name", ["AdamW", "Lion", "SGD"])
def test_the_scales_of_a_method_stay_and_its_learned_noise_and_prior(name):
    model = network(kernel_prior=bnn.priors.Normal(scale=0.5, trainable=True))
    likelihood = bnn.likelihoods.Normal(scale=0.3, trainable=True)
    likelihood.build(3)
    problem = Problem(model, likelihood, 10, 10, 0, optimizer=DECAYING[name]())
    method = VariationalInference(bnn.estimators.Flipout())
    method.build(problem)
    kept = [*likelihood.variables, *model.layers[0].kernel_prior.variables]
    before = [sigma(model), *(v.numpy() for v in kept)]
    without_gradients(problem.optimizer, method.trained)
    for old, new in zip(before, [sigma(model), *(v.numpy() for v in kept)], strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_scales_stay_in_a_loop_of_the_users_own():
    """The optimizer is Keras's, and nobody but Keras sees it."""
    model = network(kernel_prior=bnn.priors.Normal(scale=0.5, trainable=True))
    noise = bnn.likelihoods.Normal(scale=0.3, trainable=True)
    noise.build(3)
    variables = [*model.trainable_variables, *noise.variables]
    before = [v.numpy() for v in variables]
    for built_first in (True, False):
        optimizer = DECAYING["AdamW"]()
        if built_first:
            optimizer.build(variables)
        without_gradients(optimizer, variables, 100)
    moved = {v.name for v, old in zip(variables, before, strict=True) if (v.numpy() != old).any()}
    assert moved == {"kernel_loc"}  # a bias of zeros stays by itself


def test_the_defect_is_seen(monkeypatch):
    """Where nobody asks, as Keras alone does not: σ grows by half."""
    model, optimizer = network(), DECAYING["AdamW"]()
    monkeypatch.setattr(compat, "_SPARED", {})
    before = sigma(model).mean()
    without_gradients(optimizer, model.trainable_variables)
    assert sigma(model).mean() > 1.5 * before


def test_what_the_user_excluded_stays_excluded():
    model, optimizer = network(), DECAYING["AdamW"]()
    optimizer.exclude_from_weight_decay(var_names=["bias_loc"])
    check_decay(optimizer, model)
    before = [v.numpy() for v in model.trainable_variables]
    model.layers[0].bias_loc.assign(np.ones(3))
    without_gradients(optimizer, model.trainable_variables, 3)
    np.testing.assert_array_equal(model.layers[0].bias_loc.numpy(), np.ones(3))
    assert np.abs(model.layers[0].kernel_loc.numpy() - before[0]).max() > 0
    assert decayed_scales(optimizer, model) == []


def test_other_variables_decay_as_ever():
    network()  # from now on Keras asks
    variable, optimizer = keras.Variable([1.0, 2.0]), DECAYING["AdamW"]()
    without_gradients(optimizer, [variable], 50)
    np.testing.assert_allclose(variable.numpy(), [0.999**50, 2 * 0.999**50], rtol=1e-5)


def test_an_optimizer_with_a_rule_of_its_own_is_refused():
    class Own(keras.optimizers.AdamW):
        def _use_weight_decay(self, variable):
            return True

    model, optimizer = network(), Own(weight_decay=0.1)
    assert len(decayed_scales(optimizer, model)) == 2
    with pytest.raises(ValueError, match=r"Own must not decay the scales.*weight_decay = 0\.1.*"):
        bnn.BayesianModel(model, bnn.likelihoods.Categorical()).compile(optimizer)


def test_ftrl_is_refused_as_it_begins_every_variable_at_zero():
    model, optimizer = network(), keras.optimizers.Ftrl(0.01)
    assert len(decayed_scales(optimizer, model)) == 2
    message = r"Ftrl must not move the scales of posteriors, got 2 variables .*use for example"
    with pytest.raises(ValueError, match=message):
        bnn.BayesianModel(model, bnn.likelihoods.Categorical()).compile(optimizer)
    without_gradients(optimizer, model.trainable_variables, 1)
    np.testing.assert_allclose(sigma(model), 1, rtol=1e-6)  # what is refused


def test_without_decay_or_scales_nothing_is_done():
    built = keras.optimizers.Adam()
    model = network()
    built.build(model.trainable_variables)
    check_decay(built, model)
    assert decayed_scales(built, model) == []
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    optimizer = DECAYING["AdamW"]()
    MAP().build(Problem(plain, bnn.likelihoods.Categorical(), 10, 10, 0, optimizer=optimizer))
    before = plain.layers[0].kernel.numpy()
    without_gradients(optimizer, plain.trainable_variables, 5)
    assert np.abs(plain.layers[0].kernel.numpy()).sum() < np.abs(before).sum()


def test_an_optimizer_spares_the_scales_of_whatever_model_it_is_given_next():
    """Its answers are by variable: one that is gone lends its own to no other."""
    optimizer = DECAYING["AdamW"]()
    for _ in range(20):
        model = network()
        scales = {v.name for v in model.variables if not compat.decays_weight(optimizer, v)}
        assert scales == {"kernel_unconstrained_scale", "bias_unconstrained_scale"}
        del model
        gc.collect()


def test_a_variable_that_is_spared_late_is_spared_from_then_on():
    """Asked about the noise of a likelihood before anybody said that it is none of the weights."""
    optimizer, noise = DECAYING["AdamW"](), keras.Variable(np.float32(0.3), name="noise")
    assert compat.decays_weight(optimizer, noise)
    compat.spare_from_weight_decay([noise])
    assert not compat.decays_weight(optimizer, noise)
