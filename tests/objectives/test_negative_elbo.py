import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import (
    Flipout,
    LocalReparameterization,
    Mean,
    Reparameterization,
    RunningMean,
    ScoreFunction,
)
from bnn.noise import Noise
from bnn.objectives import NegativeELBO
from bnn.posteriors import MeanFieldNormal
from bnn.priors import Normal, ScaleMixture

NUM_TRAIN = 50


def build(**options):
    options = {"kernel_posterior": MeanFieldNormal(0.3), **options}
    return keras.Sequential(
        [keras.Input((3,)), bnn.layers.Dense(4, "tanh", **options), bnn.layers.Dense(1, **options)]
    )


@pytest.fixture
def model():
    return build()


@pytest.fixture
def data(rng):
    return tf.constant(rng.normal(size=(6, 3)), tf.float32), rng.normal(size=6).astype(np.float32)


def evaluate(model, data, num_samples=1, num_train=NUM_TRAIN, likelihood=None, **options):
    objective = NegativeELBO(likelihood or bnn.likelihoods.Normal(0.5), num_train, num_samples)
    names = ("seed", "step", "replica", "example_offset")
    place = {name: options.pop(name) for name in names if name in options}
    options = {"estimator": Reparameterization(), **options}
    return objective(model, *data, noise=Noise(**{"seed": 0, **place}), **options)


def total_kl(model, **options):
    return float(tf.add_n(list(bnn.ledger(model, **options).values())))


# --- Value ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_samples", [1, 3])
def test_value_is_the_equation(model, data, num_samples):
    """−(1/SB) Σ log p + KL / N, from draws made by hand."""
    terms = evaluate(model, data, num_samples, seed=4, step=7, replica=2)
    nll = []
    for sample in range(num_samples):
        with bnn.Draw(Noise(4, 7, sample=sample, replica=2), Reparameterization()):
            outputs = model(data[0])
        nll.append(-np.mean(bnn.likelihoods.Normal(0.5).log_prob(outputs, data[1])))
    assert float(terms.nll) == pytest.approx(np.mean(nll), rel=1e-5)
    assert float(terms.kl) == pytest.approx(total_kl(model), rel=1e-6)
    assert float(terms.loss) == pytest.approx(np.mean(nll) + total_kl(model) / NUM_TRAIN, rel=1e-5)
    assert float(terms.regularization) == 0


def test_kl_is_divided_by_num_train_once(model, data):
    kl = total_kl(model)
    losses = {n: float(evaluate(model, data, num_train=n).loss) for n in (1, 10, 1000)}
    assert losses[1] - losses[10] == pytest.approx(kl * 0.9, rel=1e-4)
    assert losses[10] - losses[1000] == pytest.approx(kl * 0.099, rel=1e-3)


@pytest.mark.parametrize("prior", [Normal(), ScaleMixture()])
def test_kl_depends_neither_on_batch_nor_on_samples_nor_on_replica(data, prior):
    model = build(kernel_prior=prior)
    expected = total_kl(model, seed=3, step=5)
    x, y = data
    for batch, num_samples, replica in [(6, 1, 0), (1, 1, 0), (6, 4, 0), (6, 1, 3)]:
        part = (x[:batch], y[:batch])
        terms = evaluate(model, part, num_samples, seed=3, step=5, replica=replica)
        assert float(terms.kl) == pytest.approx(expected, rel=1e-6)


def test_a_batch_twice_has_the_same_loss(model, data):
    twice = [np.concatenate([part, part]) for part in data]
    loss = float(evaluate(model, data).loss)
    assert float(evaluate(model, twice).loss) == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("kl_weight", [0.0, 0.1, 1.0, tf.constant(0.25)])
def test_kl_weight_tempers_the_loss_and_not_the_account(model, data, kl_weight):
    terms = evaluate(model, data, kl_weight=kl_weight)
    expected = float(terms.nll) + float(kl_weight) * total_kl(model) / NUM_TRAIN
    assert float(terms.loss) == pytest.approx(expected, rel=1e-5)
    assert float(terms.kl) == pytest.approx(total_kl(model), rel=1e-6)


def test_kl_by_site_is_the_ledger(model, data):
    terms = evaluate(model, data)
    names = ["0_dense/kernel", "0_dense/bias", "1_dense/kernel", "1_dense/bias"]
    assert list(terms.kl_by_site) == names
    for name, value in bnn.ledger(model).items():
        assert float(terms.kl_by_site[name]) == pytest.approx(float(value), rel=1e-6)
    assert terms._fields == ("loss", "nll", "kl", "kl_by_site", "regularization")


def test_monte_carlo_kl_has_the_noise_of_the_step(data):
    model = build(kernel_prior=ScaleMixture())
    values = [float(evaluate(model, data, seed=2, step=step).kl) for step in (0, 1)]
    assert values == pytest.approx([total_kl(model, seed=2, step=s) for s in (0, 1)], rel=1e-6)
    assert abs(values[0] - values[1]) > 1e-3


@pytest.mark.parametrize("coordinate", ["seed", "step", "replica"])
def test_coordinates_select_the_noise(model, data, coordinate):
    def loss(value):
        return float(evaluate(model, data, **{coordinate: value}).loss)

    assert loss(1) == loss(1)
    assert abs(loss(1) - loss(2)) > 1e-5


@pytest.mark.parametrize("estimator", [LocalReparameterization(), Flipout()])
def test_parts_of_a_batch_that_share_a_draw_average_to_the_whole(model, data, estimator):
    x, y = data
    whole = float(evaluate(model, data, estimator=estimator).loss)
    parts = [
        float(evaluate(model, (x[i:j], y[i:j]), estimator=estimator, example_offset=i).loss)
        for i, j in [(0, 3), (3, 6)]
    ]
    assert np.mean(parts) == pytest.approx(whole, rel=1e-5)


def test_equal_in_every_mode(data, modes):
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1, use_bias=False)])
    likelihood = bnn.likelihoods.Normal()

    def loss(step):
        return evaluate(model, data, likelihood=likelihood, step=step).loss

    expected = float(loss(3))
    for result in modes(loss, tf.constant(3)).values():
        assert float(result) == pytest.approx(expected, rel=1e-5)


# --- Regularizers ------------------------------------------------------------------------------


@pytest.mark.parametrize("num_samples", [1, 3])
def test_keras_regularizers_are_counted_once(data, num_samples):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, kernel_regularizer="l2"),
            bnn.layers.Dense(1, kernel_regularizer=keras.regularizers.L1(0.5)),
        ]
    )
    terms = evaluate(model, data, num_samples)
    expected = 0.01 * np.sum(np.square(model.layers[0].kernel))
    expected += 0.5 * np.sum(np.abs(model.layers[1].kernel_posterior.mean))
    assert float(terms.regularization) == pytest.approx(expected, rel=1e-5)
    without = float(terms.nll) + total_kl(model) / NUM_TRAIN
    assert float(terms.loss) == pytest.approx(without + expected, rel=1e-5)


def test_activity_regularizers_are_averaged_over_the_samples(data):
    model = keras.Sequential(
        [keras.Input((3,)), bnn.layers.Dense(1, activity_regularizer=keras.regularizers.L2(0.1))]
    )
    expected = []
    for sample in range(3):
        with bnn.Draw(0, Reparameterization(), sample=sample):
            outputs = model(data[0])
        expected.append(0.1 * np.sum(np.square(outputs)) / 6)  # Keras divides by the batch size
    terms = evaluate(model, data, 3)
    assert float(terms.regularization) == pytest.approx(np.mean(expected), rel=1e-4)


# --- Gradients ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [Reparameterization(), LocalReparameterization(), Flipout(), ScoreFunction(RunningMean())],
)
def test_every_variable_gets_a_gradient(data, estimator):
    model = build(kernel_prior=Normal(trainable=True))
    likelihood = bnn.likelihoods.Normal(trainable=True)
    likelihood.build(1)
    variables = [v.value for v in model.trainable_variables + likelihood.trainable_variables]
    assert len(variables) == 2 * (2 + 2 + 1) + 1
    with tf.GradientTape() as tape:
        loss = evaluate(model, data, likelihood=likelihood, estimator=estimator).loss
    for gradient in tape.gradient(loss, variables):
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient != 0)


@pytest.mark.parametrize("kl_weight", [1.0, 0.2])
def test_gradient_of_a_learned_prior(data, kl_weight):
    """d KL / d ln t = Σ 1 − (s² + m²)/t², times λ/N."""
    model = build(kernel_prior=Normal(scale=0.7, trainable=True))
    layer = model.layers[0]
    with tf.GradientTape() as tape:
        loss = evaluate(model, data, kl_weight=kl_weight).loss
    gradient = tape.gradient(loss, layer.kernel_prior._log_scale.value)
    m, s = layer.kernel_posterior.mean, layer.kernel_posterior.scale
    expected = kl_weight * np.sum(1 - (s**2 + m**2) / 0.49) / NUM_TRAIN
    assert float(gradient) == pytest.approx(expected, rel=1e-4)


def test_gradient_of_a_learned_noise_level(model, data):
    """d loss / d ln s = mean(1 − z²), z the residual in units of s."""
    likelihood = bnn.likelihoods.Normal(0.5, trainable=True)
    likelihood.build()
    with tf.GradientTape() as tape:
        loss = evaluate(model, data, likelihood=likelihood, estimator=Mean()).loss
    gradient = tape.gradient(loss, likelihood.variables[0].value)
    z = (data[1] - model(data[0])[:, 0]) / 0.5
    assert float(gradient[0]) == pytest.approx(np.mean(1 - z**2), rel=1e-4)


@pytest.mark.parametrize(
    "estimator",
    [Reparameterization(), Flipout(), ScoreFunction(), ScoreFunction(bnn.estimators.LeaveOneOut())],
)
@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_terms_may_be_weighted_by_hand(model, data, estimator, weight):
    """∇(nll + β kl / N) = ∇loss at kl_weight = β: nll carries the estimator's gradient."""
    variables = [v.value for v in model.trainable_variables]
    options = {"num_samples": 2, "estimator": estimator}
    with tf.GradientTape(persistent=True) as tape:
        terms = evaluate(model, data, **options)
        by_hand = terms.nll + weight * terms.kl / NUM_TRAIN
        loss = evaluate(model, data, kl_weight=weight, **options).loss
    assert float(by_hand) == pytest.approx(float(loss), rel=1e-6)
    gradients = [tape.gradient(value, variables) for value in (by_hand, loss)]
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    nll = tape.gradient(terms.nll, variables)
    assert all(np.any(gradient != 0) for gradient in nll)


@pytest.mark.parametrize("num_samples", [1, 2])
def test_the_score_does_not_change_the_loss(model, data, num_samples):
    losses = [
        float(evaluate(model, data, num_samples, estimator=estimator).loss)
        for estimator in (Reparameterization(), ScoreFunction())
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


# --- Baselines ----------------------------------------------------------------------------------


def test_a_running_mean_notes_the_values_of_training_steps_only(model, data):
    baseline = RunningMean()
    estimator = ScoreFunction(baseline)
    evaluate(model, data, estimator=estimator, training=False)
    assert [float(v) for v in baseline.variables] == [0, 0]
    first = evaluate(model, data, 2, estimator=estimator)
    np.testing.assert_allclose(baseline(tf.zeros(1), tf.zeros(1)), [first.nll], rtol=1e-5)
    evaluate(model, data, estimator=estimator, step=1)
    assert abs(float(baseline(tf.zeros(1), tf.zeros(1))[0] - first.nll)) > 1e-5


def test_leave_one_out_with_one_sample_is_an_error(model, data):
    with pytest.raises(ValueError, match="leave-one-out baseline needs num_samples of at least 2"):
        evaluate(model, data, estimator=ScoreFunction(bnn.estimators.LeaveOneOut()))


@pytest.mark.parametrize("training", [True, False])
def test_the_training_flag_reaches_the_model(data, training):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), bnn.layers.Dense(1)])
    losses = [
        float(evaluate(model, data, estimator=Mean(), training=training).loss) for _ in range(2)
    ]
    assert (losses[0] == losses[1]) is not training


# --- Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", ["normal", bnn.likelihoods.Normal, None])
def test_likelihood_that_is_none(likelihood):
    with pytest.raises(ValueError, match="likelihood must be a bnn likelihood object, got"):
        NegativeELBO(likelihood, NUM_TRAIN)
    with pytest.raises(ValueError, match="likelihood must be a bnn likelihood object, got"):
        NegativeELBO().bind(likelihood, NUM_TRAIN)


@pytest.mark.parametrize("num_train", [0, -5, None, True, 10.5, float("inf"), "10"])
def test_unusable_num_train(num_train):
    message = f"num_train must be the number of training examples, .* got {num_train}"
    with pytest.raises(ValueError, match=message):
        NegativeELBO(bnn.likelihoods.Normal(), num_train)
    with pytest.raises(ValueError, match=message):
        NegativeELBO().bind(bnn.likelihoods.Normal(), num_train)


@pytest.mark.parametrize("num_samples", [0, -1, 2.0])
def test_unusable_num_samples(num_samples):
    with pytest.raises(ValueError, match=f"num_samples must be at least 1, got {num_samples}"):
        NegativeELBO(bnn.likelihoods.Normal(), NUM_TRAIN, num_samples)
