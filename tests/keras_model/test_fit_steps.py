"""One step of `fit` is one step on the objective, however Keras runs it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.noise import Noise


def weights_of(model):
    return [v.numpy() for v in model.trainable_variables]


def same(left, right, **tolerance):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def by_hand(make, data, steps, batch_size=25, **options):
    """The model after the same steps in a loop of one's own, and the last step's terms."""
    model, (x, y) = make(hidden=8), data
    objective = bnn.objectives.NegativeELBO(model.likelihood, num_train=len(x), **options)
    optimizer = keras.optimizers.Adam(0.01)
    for step in range(steps):
        start = step * batch_size % len(x)
        rows = slice(start, start + batch_size)
        with tf.GradientTape() as tape:
            terms = objective(
                model.network,
                tf.constant(x[rows]),
                tf.constant(y[rows]),
                estimator=bnn.estimators.Flipout(),
                noise=Noise(0, step),
            )
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(terms.loss, variables), variables, strict=True))
    return model, terms


def test_fit_takes_the_objectives_own_steps(make, data):
    model = make(hidden=8, estimator=bnn.estimators.Flipout())
    logs = model.fit(*data, batch_size=50, epochs=1, shuffle=False, verbose=0).history
    reference, terms = by_hand(make, data, 1, batch_size=50)
    for name in ("loss", "nll", "kl"):
        np.testing.assert_allclose(logs[name], [getattr(terms, name).numpy()], rtol=1e-6)
    same(weights_of(model), weights_of(reference), atol=1e-7)


def test_several_steps_with_samples_of_the_objective(make, data):
    objective = bnn.objectives.NegativeELBO(num_samples=2, antithetic=True)
    model = make(hidden=8, estimator=bnn.estimators.Flipout(), objective=objective)
    model.fit(*data, batch_size=25, epochs=2, shuffle=False, verbose=0)
    reference, _ = by_hand(make, data, 4, num_samples=2, antithetic=True)
    same(weights_of(model), weights_of(reference), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": False, "jit_compile": False},
        {"run_eagerly": False, "jit_compile": True},
        {"run_eagerly": False, "jit_compile": False, "steps_per_execution": 2},
    ],
    ids=["graph", "xla", "two steps a call"],
)
def test_every_way_of_running_gives_the_same_weights(make, data, options):
    eager, other = make(), make(**options)
    for model in (eager, other):
        model.fit(*data, batch_size=25, epochs=2, shuffle=False, verbose=0)
    same(weights_of(eager), weights_of(other), atol=2e-5)
    assert int(other.step_counter) == 4


def test_an_uneven_last_batch_weighs_by_its_examples(make, data):
    model = make(optimizer=keras.optimizers.SGD(0.0), estimator=bnn.estimators.Reparameterization())
    for variable in model.trainable_variables:  # all but deterministic
        if "scale" in variable.name:
            variable.assign(tf.fill(variable.shape, -20.0))
    history = model.fit(*data, batch_size=32, shuffle=False, verbose=0).history
    outputs = model.network(data[0])
    nll = -np.mean(model.likelihood.log_prob(outputs, tf.constant(data[1])))
    np.testing.assert_allclose(history["nll"], [nll], rtol=1e-5)
    assert int(model.step_counter) == 2


def test_gradient_accumulation_applies_the_mean_of_its_batches_and_draws_anew_in_each(make, data):
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model = make(optimizer=optimizer, estimator=bnn.estimators.Flipout())
    start = weights_of(model)
    model.fit(*data, batch_size=25, epochs=1, shuffle=False, verbose=0)
    reference = make()
    objective = bnn.objectives.NegativeELBO(reference.likelihood, num_train=50)
    variables = reference.trainable_variables
    gradients = []
    for step in range(2):
        x, y = (tf.constant(part[25 * step : 25 * step + 25]) for part in data)
        with tf.GradientTape() as tape:
            terms = objective(
                reference.network,
                x,
                y,
                estimator=bnn.estimators.Flipout(),
                noise=Noise(0, step),
            )
        gradients.append(tape.gradient(terms.loss, variables))
    expected = [s - 0.1 * (a + b) / 2 for s, a, b in zip(start, *gradients, strict=True)]
    same(weights_of(model), expected, atol=1e-6)
    assert int(model.step_counter) == 2


def test_mixed_precision_trains_with_a_scaled_loss(data):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
        model = bnn.BayesianModel(network, bnn.likelihoods.Categorical(), num_predict_samples=2)
        model.compile(keras.optimizers.AdamW(0.05, weight_decay=0.1), run_eagerly=True)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        first, *_, last = model.fit(*data, batch_size=50, epochs=15, verbose=0).history["nll"]
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(last)
    assert last < first
    before = [v.numpy() for v in network.layers[0].kernel_posterior.scale_variables]
    for _ in range(20):
        zeros = [tf.zeros_like(v) for v in model.trainable_variables]
        model.optimizer.inner_optimizer.learning_rate = 0.1
        model.optimizer.inner_optimizer.beta_1 = 0.0
        model.optimizer.apply(zeros, model.trainable_variables)
    after = [v.numpy() for v in network.layers[0].kernel_posterior.scale_variables]
    assert np.abs(after[0] - before[0]).max() < 0.5  # Adam's moments alone; decay: 20 × 1 % of −4


def test_sample_weights_weigh_the_likelihood_and_leave_the_kl(make, data):
    x, y = data
    weights = np.linspace(0.5, 1.5, 50).astype("float32")
    model = make(estimator=bnn.estimators.Flipout())
    logs = model.fit(x, y, sample_weight=weights, batch_size=50, shuffle=False, verbose=0).history
    reference = make()
    terms = bnn.objectives.NegativeELBO(reference.likelihood, num_train=50)(
        reference.network,
        tf.constant(x),
        tf.constant(y),
        estimator=bnn.estimators.Flipout(),
        noise=Noise(0, 0),
        weights=weights,
    )
    np.testing.assert_allclose(logs["nll"], [terms.nll.numpy()], rtol=1e-6)
    np.testing.assert_allclose(logs["kl"], [terms.kl.numpy()], rtol=1e-6)
    np.testing.assert_allclose(logs["loss"], [(terms.nll + terms.kl / 50).numpy()], rtol=1e-6)


def test_class_weights_are_sample_weights_by_class(make, data):
    x, y = data
    by_class = {0: 2.0, 1: 0.5, 2: 1.0}
    weights = np.array([by_class[int(label)] for label in y], "float32")
    logs = []
    for options in ({"class_weight": by_class}, {"sample_weight": weights}):
        fitted = make().fit(x, y, batch_size=50, shuffle=False, verbose=0, **options)
        logs.append(fitted.history["nll"])
    np.testing.assert_allclose(*logs, rtol=1e-6)


def test_weighted_metrics_and_metrics(make, data):
    model = make(metrics=["accuracy"], weighted_metrics=["accuracy"])
    weights = (data[1] == 0).astype("float32")
    model.fit(*data, verbose=0)
    results = model.evaluate(*data, sample_weight=weights, return_dict=True, verbose=0)
    right = np.argmax(model.predict(data[0], verbose=0), axis=1) == data[1]
    assert results["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    assert results["weighted_accuracy"] == pytest.approx(right[data[1] == 0].mean(), abs=1e-6)


def test_evaluate_is_of_the_mixture(make, data):
    model = make(num_predict_samples=5)
    model.fit(*data, verbose=0)
    results = model.evaluate(*data, batch_size=20, return_dict=True, verbose=0)
    samples = bnn.predict(model.network, data[0], 5, seed=0)
    exact = -np.mean(model.likelihood.predictive(samples).log_prob(data[1]))
    assert results["nll"] == pytest.approx(exact, rel=1e-5)
    assert results["loss"] > results["nll"]  # Jensen, and the KL
    np.testing.assert_allclose(
        model.predict(data[0], verbose=0), model.likelihood.predictive(samples).mean(), atol=1e-6
    )


def test_the_kl_weight_and_its_schedule(make, data):
    logs = [make(kl_weight=w).fit(*data, batch_size=50, verbose=0).history for w in (0.0, 0.1, 1.0)]
    loss, nll, kl = (np.ravel([log[name] for log in logs]) for name in ("loss", "nll", "kl"))
    np.testing.assert_allclose(loss - nll, [0.0, 0.1 * kl[1] / 50, kl[2] / 50], rtol=1e-5)
    ramp = bnn.schedules.LinearWarmup(fraction=1.0)
    history = make(kl_weight=ramp).fit(*data, batch_size=50, epochs=4, verbose=0).history
    shares = (np.array(history["loss"]) - history["nll"]) * 50 / history["kl"]
    np.testing.assert_allclose(shares, [0.0, 0.25, 0.5, 0.75], atol=1e-4)


def test_the_predictive_says_what_predict_does(make, data):
    model = make()
    said = model.predictive(data[0], num_samples=4)
    np.testing.assert_allclose(said.mean, model.predict(data[0], verbose=0), atol=1e-6)


def test_evaluate_refuses_weights_that_would_be_broadcast(make, data):
    """`[B, 1]` against `[B]` is `[B, B]`: the loss was another one."""
    model = make()
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match=r"weights must be one number per example, .*got shape"):
        model.evaluate(*data, sample_weight=np.ones((len(data[0]), 1)), verbose=0)
