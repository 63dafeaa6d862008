"""NaN and infinity in the inputs of a prediction: refused by row, or of that row alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical, HeteroscedasticNormal, Normal, Positions


@pytest.fixture
def x(rng):
    return rng.normal(size=(9, 3)).astype(np.float32)


def network(activation="tanh", *layers):
    hidden = keras.layers.Dense(4, activation=activation)
    return keras.Sequential([keras.Input((3,)), *layers, hidden, bnn.layers.Dense(1)])


def spoiled(x, row, value=np.nan):
    x = x.copy()
    x[row, 1] = value
    return x


def said(model, inputs, **options):
    options = {"num_samples": 4, "jit_compile": False, **options}
    return bnn.predictive(model, Normal(), inputs, **options)


def test_predict_passes_it_on_and_no_other_row_is_touched(x):
    model = network()
    bad = spoiled(spoiled(spoiled(x, 5), 6, np.inf), 7, -np.inf)
    clean, got = (bnn.predict(model, rows, 2, jit_compile=False).numpy() for rows in (x, bad))
    np.testing.assert_array_equal(got[:, [0, 1, 2, 3, 4, 8]], clean[:, [0, 1, 2, 3, 4, 8]])
    assert np.isnan(got[:, 5]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 2}, {"tolerance": 0.5, "max_samples": 8}, {"method": "moments"}],
    ids=["samples", "blocks", "tolerance", "moments"],
)
def test_it_is_refused_by_the_row(x, value, options):
    """Also where the network would drop it: a ReLU as a graph gives such a row a number."""
    message = rf"inputs must be finite, got {value} in row 7: .*allow_nan=True where the model"
    for ask in (lambda s: s.mean, lambda s: s.interval(), lambda s: s.log_prob(np.zeros(9))):
        with pytest.raises(ValueError, match=message):
            ask(said(network("relu"), spoiled(x, 7, value), **options))


def test_other_forms_of_inputs(x):
    bad = spoiled(x, 7)
    for inputs in (bad.astype(np.float64), tf.constant(bad), bad.tolist()):
        with pytest.raises(ValueError, match=r"inputs must be finite, got nan in row 7"):
            said(network(), inputs).mean  # noqa: B018
    batches = tf.data.Dataset.from_tensor_slices(bad).batch(4)
    with pytest.raises(ValueError, match=r"inputs must be finite, got nan in row 7"):
        said(network(), batches).mean  # noqa: B018
    sparse = tf.sparse.from_dense(np.where(np.arange(9)[:, None] == 7, bad, 0))
    with pytest.raises(ValueError, match=r"inputs must be finite, got nan in row 7"):
        said(network(), sparse).mean  # noqa: B018
    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b", dtype="int32")
    both = keras.Model({"a": a, "b": b}, bnn.layers.Dense(1)(a) + keras.ops.cast(b, "float32"))
    inputs = {"a": bad, "b": np.arange(9)[:, None]}
    with pytest.raises(ValueError, match=r"inputs\['a'\] must be finite, got nan in row 7"):
        said(both, inputs).mean  # noqa: B018


def test_a_model_that_takes_missing_values(x):
    impute = keras.layers.Lambda(lambda v: tf.where(tf.math.is_nan(v), tf.zeros_like(v), v))
    model = network("tanh", impute)
    filled = np.nan_to_num(spoiled(x, 7))
    np.testing.assert_array_equal(
        said(model, spoiled(x, 7), allow_nan=True).mean, said(model, filled).mean
    )
    with pytest.raises(ValueError, match="allow_nan must be True or False, got 'yes'"):
        said(model, x, allow_nan="yes")


@pytest.mark.parametrize("options", [{}, {"tolerance": 0.5, "max_samples": 8}])
def test_outputs_of_nan_are_refused_by_the_row(x, options):
    message = r"outputs must be numbers, got NaN for 1 of \d inputs, the first in row 7; look"
    with pytest.raises(ValueError, match=message):
        said(network(), spoiled(x, 7), allow_nan=True, **options).mean  # noqa: B018


def test_weights_of_nan_are_refused(x):
    model = network()
    model.layers[-1].bias.posterior.variables[0].assign([np.nan])
    with pytest.raises(ValueError, match=r"got NaN for 9 of 9 inputs, the first in row 0"):
        said(model, x).mean  # noqa: B018


def test_a_scale_of_nan_is_refused(x):
    """Every parameter of the density counts, not the first alone."""
    scale = keras.layers.Lambda(lambda v: tf.concat([v, tf.math.log(v - v - 1.0)], -1))
    model = keras.Sequential([keras.Input((3,)), network(), scale])
    answer = bnn.predictive(model, HeteroscedasticNormal(), x, 4, jit_compile=False)
    with pytest.raises(ValueError, match=r"got NaN for 9 of 9 inputs, the first in row 0"):
        answer.mean  # noqa: B018


def test_positions_are_not_one_answer_an_input(x):
    model = keras.Sequential([keras.Input((5, 3)), bnn.layers.Dense(2)])
    with pytest.raises(
        ValueError, match=r"likelihood must be of one event an input, got Positions"
    ):
        bnn.predictive(model, Positions(Categorical()), np.zeros((4, 5, 3), np.float32))
