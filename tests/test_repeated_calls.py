"""A layer that is called more than once in a draw: one realisation for all calls, or a refusal."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import (
    BySite,
    Flipout,
    LocalReparameterization,
    Mean,
    Reparameterization,
    ScoreFunction,
)
from bnn.objectives import ImportanceWeightedBound, NegativeELBO, StickingTheLanding
from bnn.posteriors import MeanFieldNormal

WIDE = {"kernel_posterior": MeanFieldNormal(0.5), "use_bias": False}
WEIGHTS = [Reparameterization(), Flipout(), ScoreFunction()]
COUNT = 20_000

ESTIMATORS = pytest.mark.parametrize("estimator", WEIGHTS, ids=lambda e: type(e).__name__)


class Cell(keras.layers.Layer):
    """h ← tanh(x W + h R)."""

    def __init__(self, units):
        super().__init__()
        self.state_size = self.output_size = units
        self.inward, self.recurrent = (bnn.layers.Dense(units, **WIDE) for _ in range(2))

    def build(self, input_shape):
        self.inward.build(input_shape)
        self.recurrent.build((None, self.state_size))
        self.built = True

    def call(self, inputs, states, training=None):
        state = keras.ops.tanh(
            self.inward(inputs, training=training) + self.recurrent(states[0], training=training)
        )
        return state, [state]


def siamese():
    layer = bnn.layers.Dense(2, **WIDE)
    a, b = keras.Input((4, 3)), keras.Input((4, 3))
    model = keras.Model([a, b], layer(a) - keras.ops.tanh(layer(b)))
    return lambda x: model([x, x[:, ::-1]]), model


def time_distributed():
    layer = keras.layers.TimeDistributed(bnn.layers.Dense(2, **WIDE))
    model = keras.Sequential([keras.Input((4, 3)), layer])
    return model, model


def recurrent():
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.RNN(Cell(2))])
    return model, model


MODELS = pytest.mark.parametrize("make", [siamese, time_distributed, recurrent])


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(5, 4, 3)), tf.float32)


# --- The same function in every mode ------------------------------------------------------------


@MODELS
@ESTIMATORS
def test_values_and_gradients_are_those_of_eager_mode(make, estimator, x, modes):
    call, model = make()
    variables = [v.value for v in model.trainable_variables]

    def run(x, step):
        with tf.GradientTape() as tape:
            with bnn.Draw(0, estimator, step=step) as draw:
                outputs = call(x)
            target = tf.reduce_sum(tf.square(outputs)) + draw.score
        return [outputs, draw.score, *tape.gradient(target, variables)]

    eager, *compiled = modes(run, x, tf.constant(3)).values()
    assert all(np.any(gradient != 0) for gradient in eager[2:])
    for results in compiled:
        for result, expected in zip(results, eager, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


@ESTIMATORS
def test_a_recurrent_layer_is_its_equation(estimator, x):
    """With the weights of one realisation at every step, given by hand."""
    model, _ = recurrent()
    inward, state_to_state = bnn.sites(model).values()
    with bnn.Draw(1, estimator) as draw:
        outputs = model(x)
    with bnn.Draw(1, estimator):
        first = inward.realise(x[:, 0]), state_to_state.realise(tf.zeros((5, 2)))
        state = tf.zeros((5, 2))
        for t in range(4):
            state = tf.tanh(first[0](x[:, t]) + first[1](state))
    np.testing.assert_allclose(outputs, state, rtol=1e-4, atol=1e-5)
    assert len(draw.sites) == 2


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        (NegativeELBO, Flipout()),
        (NegativeELBO, ScoreFunction()),
        (StickingTheLanding, Reparameterization()),
        (ImportanceWeightedBound, Reparameterization()),
    ],
)
def test_objectives_of_a_recurrent_model_in_a_graph(kind, estimator, x):
    """What a draw keeps of a site must not be made inside of the recurrent loop."""
    model, _ = recurrent()
    objective = kind(bnn.likelihoods.Categorical(), 10)

    def loss(x, step):
        y = tf.constant([0, 1, 1, 0, 1])
        return objective(model, x, y, estimator=estimator, seed=0, step=step).loss

    arguments = x, tf.constant(2)
    expected = float(loss(*arguments))
    assert float(tf.function(loss, autograph=False)(*arguments)) == pytest.approx(
        expected, rel=1e-5
    )


# --- The law of several calls --------------------------------------------------------------------


def outputs_of_many_draws(call, estimator):
    """[COUNT, …] outputs of draws with steps 0, 1, …"""

    def one(step):
        with bnn.Draw(0, estimator, step=step):
            return call()

    @tf.function(jit_compile=True, autograph=False)
    def run():
        return tf.map_fn(one, tf.range(COUNT), fn_output_signature=tf.float32)

    return run().numpy()


A = np.array([[1, 2, 0], [1, 0, 0]], np.float32)
B = np.array([[-1, -2, 0], [0, 1, 0]], np.float32)
STEPS = np.array([[[1, 0], [0, 1], [1, 1]], [[1, 0], [-1, 0], [0, 0]]], np.float32)


@ESTIMATORS
def test_variance_of_a_difference(estimator, assert_mean):
    """Var[f(a) − f(b)] = Σᵢ (aᵢ − bᵢ)² σ²."""
    layer = bnn.layers.Dense(1, kernel_initializer="zeros", **WIDE)
    layer.build((None, 3))
    y = outputs_of_many_draws(lambda: (layer(A) - layer(B))[:, 0], estimator)
    assert_mean(y**2, 0.25 * np.sum((A - B) ** 2, axis=1))


@ESTIMATORS
def test_variance_of_a_sum_over_time(estimator, assert_mean):
    """Var[Σₜ f(xₜ)] = σ² |Σₜ xₜ|²; where the inputs cancel, so do the outputs."""
    layer = bnn.layers.Dense(1, kernel_initializer="zeros", **WIDE)
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.TimeDistributed(layer)])
    y = outputs_of_many_draws(lambda: tf.reduce_sum(model(STEPS), (1, 2)), estimator)
    assert_mean(y[:, 0] ** 2, 0.25 * 8)
    np.testing.assert_allclose(y[:, 1], 0, atol=1e-5)


# --- Refusals -------------------------------------------------------------------------------------


@MODELS
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_local_reparameterization_refuses_by_name(make, wrap, x):
    call, _ = make()

    @wrap
    def run(x):
        with bnn.Draw(0, LocalReparameterization()):
            return call(x)

    message = (
        r"(?s)site 'dense\w*/kernel' is called (again|in a loop) in one draw, but "
        "LocalReparameterization samples outputs, not weights: .* Use Reparameterization or "
        "Flipout for this layer, alone or by BySite"
    )
    with pytest.raises(ValueError, match=message):
        run(x)


def test_by_site_serves_a_shared_layer_beside_a_local_one(x):
    shared, head = bnn.layers.Dense(3, name="shared", **WIDE), bnn.layers.Dense(2, **WIDE)
    i = keras.Input((4, 3))
    model = keras.Model(i, head(shared(shared(i))))
    estimator = BySite({"@shared/*": Reparameterization()}, LocalReparameterization())
    with bnn.Draw(0, estimator):
        assert model(x).shape == (5, 4, 2)


def test_the_mean_and_points_are_called_as_often_as_wanted(x):
    layer = bnn.layers.Dense(3, kernel_posterior=bnn.posteriors.Point(), use_bias=False)
    for estimator in (Mean(), LocalReparameterization()):
        with bnn.Draw(0, estimator):
            np.testing.assert_array_equal(layer(x), layer(x))


def recomputed():
    with keras.RematScope(mode="full"):
        layer = bnn.layers.Dense(2, name="remat", **WIDE)
        model = keras.Sequential([keras.Input((4, 3)), layer])
    return lambda x: model(x, training=True)


def recomputed_by_tensorflow():
    layer = bnn.layers.Dense(2, name="remat", **WIDE)
    layer.build((None, 3))
    return tf.recompute_grad(layer)


@pytest.mark.parametrize(
    ("make", "wrap"),
    [
        (recomputed, lambda f: f),  # in a graph Keras's scope fails before it reaches a layer
        (recomputed_by_tensorflow, lambda f: f),
        (recomputed_by_tensorflow, tf.function),
    ],
)
def test_rematerialisation_is_refused_by_name(make, wrap, x):
    """The backward pass would compute the layer again after its draw, with the mean."""
    call = make()

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            with bnn.Draw(0, Reparameterization()):
                y = tf.reduce_sum(call(x))
        return tape.gradient(y, x)

    message = r"(?s)site 'remat/kernel' is called where gradients are not .*outside of the RematS"
    with pytest.raises(RuntimeError, match=message):
        wrap(run)(x)


def test_a_tape_that_stops_recording_is_no_rematerialisation(x):
    layer = bnn.layers.Dense(2, **WIDE)
    with tf.GradientTape() as tape, tape.stop_recording(), bnn.Draw(0, Reparameterization()):
        assert layer(x).shape == (5, 4, 2)
