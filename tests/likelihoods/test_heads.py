import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Mean
from bnn.likelihoods import Categorical, Heads, Normal, Poisson

B = 6


@pytest.fixture
def outputs(rng):
    return {"kind": tf.constant(rng.normal(size=(B, 3))), "price": tf.zeros((B, 2))}


@pytest.fixture
def targets(rng):
    return {"kind": rng.integers(0, 3, B), "price": rng.normal(size=(B, 2))}


def likelihoods():
    return {"kind": Categorical(), "price": Normal(0.5, trainable=True)}


def test_the_sum_of_the_heads(outputs, targets):
    log_prob = Heads(likelihoods()).checked_log_prob(outputs, targets)
    each = [one.log_prob(outputs[name], targets[name]) for name, one in likelihoods().items()]
    np.testing.assert_allclose(log_prob, sum(e.numpy() for e in each), rtol=1e-5)


def test_weights(outputs, targets):
    log_prob = Heads(likelihoods(), {"price": 0.25}).log_prob(outputs, targets)
    kind = Categorical().log_prob(outputs["kind"], targets["kind"])
    price = Normal(0.5).log_prob(outputs["price"], targets["price"])
    np.testing.assert_allclose(log_prob, kind.numpy() + 0.25 * price.numpy(), rtol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 2])
def test_two_heads_in_the_objective(rng, num_samples):
    """As lists, as a functional model has them."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [bnn.layers.Dense(3)(inputs), bnn.layers.Dense(4)(inputs)])
    x = rng.normal(size=(B, 3)).astype(np.float32)
    y = [rng.integers(0, 3, B), rng.integers(0, 4, B)]
    expected = -sum(
        np.mean(tf.nn.log_softmax(o).numpy()[np.arange(B), t])
        for o, t in zip(model(x), y, strict=True)
    )
    objective = bnn.objectives.NegativeELBO(Heads([Categorical(), Categorical()]), 100, num_samples)
    nll = objective(model, x, y, estimator=Mean(), seed=0, step=0).nll
    np.testing.assert_allclose(nll, expected, rtol=1e-5)


def test_variables_and_numbers():
    heads = Heads(likelihoods())
    heads.build({"kind": 3, "price": 2})
    assert [v.shape for v in heads.variables] == [(2,)]
    assert heads.num_outputs({"kind": 3, "price": 2}) == {"kind": 3, "price": 2}
    assert Heads(list(likelihoods().values())).num_outputs([3, 2]) == [3, 2]
    assert heads.task == "heads"


def test_predictive(outputs, targets):
    heads = Heads({"kind": Categorical(), "price": Normal(0.5)})
    samples = {name: tf.stack([value, 2 * value]) for name, value in outputs.items()}
    predictive = heads.predictive(samples, price={"loc": 3.0, "scale": 2.0})
    np.testing.assert_allclose(predictive["price"].mean(), np.full((B, 2), 3.0))
    expected = Categorical().predictive(samples["kind"]).probs
    np.testing.assert_array_equal(predictive["kind"].probs, expected)
    with pytest.raises(ValueError, match=r"units must be of the heads .*got \['scale'\]"):
        heads.predictive(samples, scale=2.0)


@pytest.mark.parametrize("make", [dict, lambda items: [value for _, value in items]])
def test_configuration(make):
    parts = make([("a", Poisson()), ("b", Normal(0.5))])
    heads = Heads(parts, make([("a", 2.0), ("b", 1.0)]))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(heads))
    assert copy.get_config() == heads.get_config()
    assert copy.named == heads.named


@pytest.mark.parametrize(
    ("what", "values", "message"),
    [
        ("outputs", {"kind": 0}, r"outputs must be a dict of the heads .*got a dict of \['kind'\]"),
        ("targets", [0, 0, 0], r"targets must be .*got a list of 3; name the model's outputs"),
        ("outputs", tf.zeros((B, 3)), r"outputs must be a dict of the heads .*got a .*Tensor"),
    ],
)
def test_other_heads(outputs, targets, what, values, message):
    arguments = {"outputs": outputs, "targets": targets, what: values}
    with pytest.raises(ValueError, match=message):
        Heads(likelihoods()).log_prob(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), r"likelihoods must be at least one likelihood object by name, got {}"),
        (({"a": Categorical},), r"likelihoods must be at least one likelihood object"),
        ((Categorical(),), r"likelihoods must be a dict by name or a list"),
        (({"a": Poisson()}, {"b": 1.0}), r"weights must be of the heads \['a'\], got {'b': 1.0}"),
        (([Poisson()], [1.0, 1.0]), r"weights must be of the heads \['0'\]"),
        (({"a": Poisson()}, {"a": -1.0}), r"weights\['a'\] must be a positive finite number"),
    ],
)
def test_unusable_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Heads(*arguments)
