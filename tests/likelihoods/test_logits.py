"""Probabilities are refused where a likelihood takes logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Bernoulli, Categorical, Heads, Normal, Positions, SoftCategorical
from bnn.likelihoods.logits import require_logits


def of_layers(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *layers])


SOFT = {
    "activation": lambda: of_layers(keras.layers.Dense(3, "softmax", name="last")),
    "sigmoid": lambda: of_layers(keras.layers.Dense(3, "sigmoid", name="last")),
    "layer": lambda: of_layers(keras.layers.Dense(3), keras.layers.Softmax(name="last")),
    "named": lambda: of_layers(
        keras.layers.Dense(3), keras.layers.Activation("softmax", name="last")
    ),
    "bayesian": lambda: of_layers(bnn.layers.Dense(3, activation="softmax", name="last")),
    "tensorflow": lambda: of_layers(keras.layers.Dense(3, tf.nn.softmax, name="last")),
    "lambda": lambda: of_layers(
        keras.layers.Dense(3), keras.layers.Lambda(tf.nn.sigmoid, name="last")
    ),
    "by substitution": lambda: of_layers(
        bnn.layers.WeightSpace(keras.layers.Dense(3, "softmax", name="last"))
    ),
    "nested": lambda: of_layers(of_layers(keras.layers.Dense(3, "softmax", name="last"))),
}


@pytest.mark.parametrize("make", SOFT.values(), ids=SOFT)
@pytest.mark.parametrize("likelihood", [Categorical(), SoftCategorical(), Bernoulli()])
def test_probabilities_are_refused(make, likelihood):
    with pytest.raises(ValueError, match=r"takes logits .* layer 'last' gives probabilities"):
        require_logits(likelihood, make())


def test_a_wrapped_last_layer_is_seen():
    wrapped = keras.layers.TimeDistributed(keras.layers.Dense(3, "softmax", name="last"))
    with pytest.raises(ValueError, match="layer 'last'"):
        require_logits(Positions(Categorical()), of_layers(wrapped, shape=(5, 4)))


@pytest.mark.parametrize("function", [keras.ops.softmax, keras.activations.sigmoid])
def test_operations_are_seen(function):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, function(keras.layers.Dense(3)(inputs)))
    with pytest.raises(ValueError, match=r"operation '(softmax|sigmoid).*' gives .*; leave operat"):
        require_logits(Categorical(), model)


def test_the_head_that_is_meant():
    inputs = keras.Input((4,))
    outputs = {
        "kind": keras.layers.Dense(3, "softmax", name="kinds")(inputs),
        "price": keras.layers.Dense(1)(inputs),
    }
    heads = Heads({"price": Normal(), "kind": Categorical()})
    with pytest.raises(ValueError, match="layer 'kinds'"):
        require_logits(heads, keras.Model(inputs, outputs))


def test_others_are_taken():
    soft = SOFT["activation"]()
    require_logits(Normal(), soft)
    require_logits(Categorical(), of_layers(keras.layers.Dense(3, "log_softmax")))
    inner = of_layers(keras.layers.Dense(3, "softmax"), keras.layers.Dense(3))
    require_logits(Categorical(), inner)
    require_logits(Categorical(), lambda x: x)


def test_everything_that_takes_a_model_and_a_likelihood_refuses():
    model = bnn.convert(SOFT["activation"](), verbose=False)
    x, y = np.zeros((2, 4), np.float32), np.zeros(2, np.int32)
    message = "model.layers.-1..activation = keras.activations.linear"
    with pytest.raises(ValueError, match=message):
        bnn.BayesianModel(model, Categorical())
    with pytest.raises(ValueError, match=message):
        bnn.predictive(model, Categorical(), x, 2)
    objective = bnn.objectives.NegativeELBO(Categorical(), num_train=2)
    with pytest.raises(ValueError, match=message):
        objective(model, x, y, estimator=bnn.estimators.Reparameterization(), seed=0, step=0)
    with pytest.raises(ValueError, match=message):
        bnn.methods.Laplace().fit(SOFT["activation"](), Categorical(), (x, y))
