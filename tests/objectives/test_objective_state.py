"""What a call of an objective changes in the model, once a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Flipout, Reparameterization
from bnn.likelihoods import Categorical
from bnn.objectives import (
    ImportanceWeightedBound,
    NegativeELBO,
    StickingTheLanding,
)
from tests.objectives.calls import call

KINDS = pytest.mark.parametrize("kind", [NegativeELBO, StickingTheLanding, ImportanceWeightedBound])


def with_batch_norm():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.BatchNormalization(momentum=0.9),
            bnn.layers.Dense(4),
            keras.layers.BatchNormalization(momentum=0.9),
            bnn.layers.Dense(2),
        ]
    )


@KINDS
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_moving_averages_move_once_a_step(kind, wrap, data):
    """By the first sample's batch: with all S of them a momentum m acts as m^S."""
    x = data[0] + 5.0
    after = {}
    for num_samples in (1, 4):
        model = with_batch_norm()

        def run(model=model, num_samples=num_samples):
            return call(kind(Categorical(), 10, num_samples), model, (x, data[1])).loss

        wrap(run)()
        after[num_samples] = [v.numpy() for v in model.non_trainable_variables]
        first = model.layers[0]
        np.testing.assert_allclose(first.moving_mean, 0.1 * np.mean(x, 0), rtol=1e-4)
    for one, four in zip(*after.values(), strict=True):
        np.testing.assert_allclose(four, one, rtol=1e-4, atol=1e-6)


class Calls(keras.layers.Layer):
    """Counts them."""

    def build(self, input_shape):
        self.number = self.add_weight(
            name="number", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def call(self, inputs):
        if not bnn.compat.in_symbolic_scope():
            self.number.assign_add(1)
        return inputs


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_counter_counts_steps(wrap, data):
    """A change of the model is one whatever its type."""
    counter = Calls()
    model = keras.Sequential([keras.Input((3,)), counter, bnn.layers.Dense(2)])
    counter.number.assign(0)
    wrap(lambda: call(NegativeELBO(Categorical(), 10, 4), model, data).loss)()
    assert int(counter.number.numpy()) == 1


@KINDS
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_stateful_layer_begins_every_sample_where_the_first_began(kind, training, wrap, rng):
    """Planted, the state of sample after sample: of equal weights the samples would differ."""
    x, y = rng.normal(size=(4, 3, 2)).astype(np.float32), np.array([0, 1, 1, 0])
    seen = {}
    for num_samples in (1, 3):
        keras.utils.set_random_seed(0)
        inputs = keras.Input(batch_shape=(4, 3, 2))
        recurrent = keras.layers.GRU(3, stateful=True)
        # All but without randomness, in which S weight samples are one.
        posterior = bnn.posteriors.MeanFieldNormal(1e-7)
        dense = bnn.layers.Dense(2, kernel_posterior=posterior, bias_posterior=posterior)
        model = keras.Model(inputs, dense(recurrent(inputs)))
        objective = kind(Categorical(), 10**9, num_samples)

        def run(objective=objective, model=model):
            arguments = {"estimator": Reparameterization(), "seed": 0, "step": 0}
            return objective(model, x, y, training=training, **arguments).loss

        losses = [float(wrap(run)()) for _ in range(2)]
        assert abs(losses[1] - losses[0]) > 1e-3  # the state does go on from step to step
        seen[num_samples] = losses, recurrent.states[0].numpy()
    np.testing.assert_allclose(seen[3][0], seen[1][0], atol=1e-5)
    np.testing.assert_allclose(seen[3][1], seen[1][1], atol=1e-6)


def test_moving_averages_stand_still_outside_of_training(data):
    model = with_batch_norm()
    call(NegativeELBO(Categorical(), 10, 3), model, data, training=False)
    np.testing.assert_array_equal(model.layers[0].moving_mean, np.zeros(3))


def test_dropout_masks_differ_between_samples(data):
    """Seed generators still move: the mean of two samples is not that of one mask."""
    seen = []

    class Watch(keras.layers.Layer):
        def call(self, inputs):
            if hasattr(inputs, "numpy"):  # not while Keras works out shapes
                seen.append(inputs.numpy())
            return inputs

    layers = [keras.layers.Dropout(0.5, seed=1), Watch(), bnn.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.build((None, 3))
    seen.clear()
    call(NegativeELBO(Categorical(), 10, 3), model, data, estimator=Flipout())
    call(NegativeELBO(Categorical(), 10, 3), model, data, estimator=Flipout())
    masks = [tuple((inputs == 0).ravel()) for inputs in seen]
    assert len(masks) == 6
    assert len(set(masks)) == 6
