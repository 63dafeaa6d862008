import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.data import batch_indices
from bnn.estimators import Flipout, Mean, Reparameterization, RunningMean, ScoreFunction
from bnn.inference import Problem, VariationalInference
from bnn.objectives import NegativeELBO
from bnn.schedules import Constant, LinearWarmup
from bnn.training import TrainingSteps

NUM_TRAIN = 20


@pytest.fixture
def data(rng):
    x = rng.normal(size=(NUM_TRAIN, 3)).astype(np.float32)
    return x, rng.integers(0, 2, NUM_TRAIN).astype(np.int32)


@pytest.fixture
def problem():
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2, use_bias=False)])
    return Problem(
        model=model,
        likelihood=bnn.likelihoods.Categorical(),
        estimator=Reparameterization(),
        num_train=NUM_TRAIN,
        total_steps=10,
        seed=5,
    )


def test_the_loss_is_the_negative_elbo_at_the_schedules_weight(problem, data):
    method = VariationalInference(num_samples=2, kl_weight=LinearWarmup(1.0, fraction=1.0))
    step = tf.constant(3, tf.int64)
    terms = method.loss(problem, *data, step)
    objective = NegativeELBO(problem.likelihood, NUM_TRAIN, num_samples=2)
    expected = objective(
        problem.model, *data, estimator=problem.estimator, seed=5, step=step, kl_weight=0.3
    )
    assert float(terms.loss) == pytest.approx(float(expected.loss), rel=1e-6)
    assert float(terms.kl) == float(expected.kl)  # untempered
    assert float(terms.loss) == pytest.approx(
        float(terms.nll) + 0.3 * float(terms.kl) / NUM_TRAIN, rel=1e-6
    )


def test_losses_of_one_step_are_the_same_and_of_two_are_not(problem, data):
    method = VariationalInference()
    first, again, other = (
        float(method.loss(problem, *data, tf.constant(step, tf.int64)).nll) for step in (4, 4, 5)
    )
    assert first == again != other


def test_predictions_are_those_of_predict(problem, data, monkeypatch):
    calls = []

    def predict(*args, **options):
        calls.append((args, options))
        return "samples"

    monkeypatch.setattr("bnn.inference.variational.predict", predict)
    assert VariationalInference().predict(problem, data[0], 3, 7) == "samples"
    (given, options), *others = calls
    assert not others
    assert given[0] is problem.model
    assert given[1] is data[0]
    assert given[2:] == (3, 7)
    assert options == {"batch_size": 1000, "jit_compile": True}


def test_the_state_of_the_method_is_the_baselines(problem):
    method = VariationalInference()
    assert method.variables(problem) == []
    baseline = RunningMean()
    scored = dataclasses.replace(problem, estimator=ScoreFunction(baseline))
    assert method.variables(scored) == baseline.variables
    assert len(method.variables(scored)) == 2


def test_what_is_trained_is_the_models_and_the_likelihoods(problem):
    assert problem.trained == problem.model.trainable_variables
    likelihood = bnn.likelihoods.Normal(trainable=True)
    likelihood.build(1)
    learned = dataclasses.replace(problem, likelihood=likelihood)
    assert learned.trained == [*problem.model.trainable_variables, likelihood.variables[0]]
    fixed = bnn.likelihoods.Normal()
    fixed.build(1)
    assert dataclasses.replace(problem, likelihood=fixed).trained == problem.trained


@pytest.mark.parametrize(
    ("weight", "described"),
    [
        (1.0, {"kl_weight": 1.0, "posterior": "whole KL"}),
        (LinearWarmup(), {"kl_weight": 1.0, "posterior": "whole KL"}),
        (0.25, {"kl_weight": 0.25, "posterior": "tempered, KL x 0.25"}),
        (Constant(0.0), {"kl_weight": 0.0, "posterior": "tempered, KL x 0"}),
    ],
)
def test_what_results_say_of_the_method(weight, described):
    method = VariationalInference(num_samples=4, kl_weight=weight)
    head = {"method": "VariationalInference", "train_samples": 4}
    assert method.describe() == head | described


@pytest.mark.parametrize("number", [0, -3])
def test_unfit_number_of_samples(number):
    with pytest.raises(ValueError, match=f"num_samples must be at least 1, got {number}"):
        VariationalInference(num_samples=number)


def log_normal_density(weights, scale):
    """ln N(w; 0, scale²), summed."""
    constant = np.log(scale * np.sqrt(2 * np.pi))
    return tf.reduce_sum(-0.5 * tf.square(weights / scale) - constant)


@pytest.mark.parametrize("estimator", [Mean(), Flipout()], ids=["mean", "flipout"])
def test_point_posteriors_train_the_deterministic_keras_network_step_by_step(data, estimator):
    """MAP estimation: Adam on NLL − ln p(weights) / N gives the same weights after every step."""
    x, y = data
    prior = bnn.priors.Normal(scale=0.7)
    point = {
        **{"kernel_posterior": bnn.posteriors.Point(), "bias_posterior": bnn.posteriors.Point()},
        **{"kernel_prior": prior, "bias_prior": prior},
    }
    bayesian = keras.Sequential(
        [
            keras.Input((3,)),
            bnn.layers.Dense(5, activation="tanh", **point),
            bnn.layers.Dense(2, **point),
        ]
    )
    plain = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(2),
        ]
    )
    plain.set_weights(bayesian.get_weights())

    def indices(steps):
        return batch_indices(steps, batch_size=8, num_train=NUM_TRAIN, seed=1)

    problem = Problem(bayesian, bnn.likelihoods.Categorical(), estimator, NUM_TRAIN, 30, seed=0)
    method = VariationalInference()
    steps = TrainingSteps(
        lambda *batch: method.loss(problem, *batch),
        indices,
        x,
        y,
        keras.optimizers.Adam(0.03),
        problem.trained,
        steps_per_call=3,
        jit_compile=False,
    )
    optimizer = keras.optimizers.Adam(0.03)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for first in range(0, 30, 3):
        history = steps(first, 3)
        for step in range(first, first + 3):
            rows = indices(tf.constant(step, tf.int64)).numpy()
            with tf.GradientTape() as tape:
                nll = entropy(y[rows], plain(x[rows], training=True))
                log_prior = tf.add_n([log_normal_density(w, 0.7) for w in plain.weights])
                loss = nll - log_prior / NUM_TRAIN
            gradients = tape.gradient(loss, plain.trainable_variables)
            optimizer.apply(gradients, plain.trainable_variables)
            np.testing.assert_allclose(history.nll[step - first], nll, rtol=1e-5)
            np.testing.assert_allclose(history.kl[step - first], -log_prior, rtol=1e-5)
        for ours, keras_own in zip(bayesian.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(bayesian(x), plain(x), rtol=1e-4, atol=1e-6)
