"""`bnn.predict` takes what `keras.Model.predict` takes, and gives what the model gives."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

import bnn
from bnn.estimators import Reparameterization
from bnn.noise import Noise, Purpose

S, B = 3, 6


def dense(units):
    return bnn.layers.Dense(units, use_bias=False)


def inputs_of(*widths):
    return [keras.Input((width,), name=name) for width, name in zip(widths, "abc", strict=False)]


@pytest.fixture(scope="module")
def one():
    return keras.Sequential([keras.Input((3,)), dense(2)])


@pytest.fixture(scope="module")
def two():
    a, b = inputs_of(3, 4)
    return keras.Model([a, b], dense(2)(keras.layers.Concatenate()([a, b])))


@pytest.fixture
def x(rng):
    return rng.normal(size=(B, 3)).astype(np.float32)


@pytest.fixture
def z(rng):
    return rng.normal(size=(B, 4)).astype(np.float32)


def predict(model, inputs, **options):
    return bnn.predict(model, inputs, S, seed=5, **{"jit_compile": False, **options})


def expected(model, inputs):
    outputs = []
    for sample in range(S):
        with bnn.Draw(Noise(5, purpose=Purpose.PREDICTION, sample=sample), Reparameterization()):
            outputs.append(model(inputs, training=False))
    return keras.tree.map_structure(lambda *leaves: np.stack(leaves), *outputs)


def assert_close(actual, desired):
    keras.tree.assert_same_structure(actual, desired)
    for a, b in zip(keras.tree.flatten(actual), keras.tree.flatten(desired), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 3, 4])
@pytest.mark.parametrize("form", ["list", "dict", "nested"])
def test_several_outputs(x, form, batch_size):
    [a] = inputs_of(3)
    p, q = dense(2)(a), dense(3)(a)
    outputs = {"list": [p, q], "dict": {"p": p, "q": q}, "nested": {"p": [p, q], "q": q}}[form]
    model = keras.Model(a, outputs)
    actual = predict(model, x, batch_size=batch_size)
    assert_close(actual, expected(model, x))
    assert {leaf.shape for leaf in keras.tree.flatten(actual)} == {(S, B, 2), (S, B, 3)}


class Aggregated(keras.Model):
    """Has an output beside the others, of the whole batch."""

    def __init__(self, aggregate):
        super().__init__()
        self.head, self.aggregate = dense(4), aggregate

    def call(self, inputs):
        outputs = self.head(inputs)
        return {"each": outputs, "all": self.aggregate(outputs)}


@pytest.mark.parametrize(
    "aggregate",
    [
        lambda y: tf.reduce_mean(y, 0),
        lambda y: tf.reduce_mean(y, 0, keepdims=True),
        tf.reduce_sum,
        tf.transpose,
        lambda y: tf.reshape(y, [-1, 2]),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 3])
def test_outputs_without_a_row_for_each_input_are_refused(x, aggregate, batch_size):
    """Blocks of rows would be cut and joined along whatever axis is there."""
    model = Aggregated(aggregate)
    model(x)
    message = r"outputs\['all'\] of model 'aggregated\w*' must have one row an input, \[B, …\], got"
    with pytest.raises(ValueError, match=message):
        predict(model, x[:5], batch_size=batch_size)


def test_outputs_of_other_types_keep_them(x):
    [a] = inputs_of(3)
    h = dense(2)(a)
    model = keras.Model(a, [h, keras.ops.argmax(h, axis=-1), h > 0])
    logits, classes, positive = predict(model, x, batch_size=4)
    assert (logits.dtype, classes.dtype.is_integer, positive.dtype) == (tf.float32, True, tf.bool)
    np.testing.assert_array_equal(classes, np.argmax(logits, axis=-1))
    np.testing.assert_array_equal(positive, logits.numpy() > 0)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.left, self.right = dense(2), dense(2)

    def call(self, inputs):
        return {"sum": self.left(inputs["a"]) + self.right(inputs["b"][0])}


def test_a_subclassed_model_of_nested_inputs_that_was_never_called(x, z):
    model = Subclassed()
    inputs = {"a": x, "b": (z,)}
    actual = predict(model, inputs, batch_size=4)
    assert_close(actual, expected(model, inputs))


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("form", [list, tuple, lambda t: dict(zip("ab", t, strict=True))])
def test_several_inputs(two, x, z, form, batch_size):
    assert_close(predict(two, form([x, z]), batch_size=batch_size), expected(two, [x, z]))


def test_two_inputs_of_one_shape_as_lists_of_numbers(x):
    a, b = inputs_of(3, 3)
    model = keras.Model([a, b], dense(2)(keras.layers.Concatenate()([a, b])))
    assert_close(predict(model, [x.tolist(), x.tolist()]), expected(model, [x, x]))


class Pieces(keras.utils.PyDataset):
    def __init__(self, x, y=None):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 2

    def __getitem__(self, i):
        rows = slice(4 * i, 4 * i + 4)
        return self.x[rows] if self.y is None else (self.x[rows], self.y[rows])


def data_set(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(4)


@pytest.mark.parametrize(
    "make",
    [data_set, lambda x: data_set(x, x[:, 0]), Pieces, lambda x: Pieces(x, x[:, 0])],
    ids=["tf.data", "tf.data and targets", "PyDataset", "PyDataset and targets"],
)
def test_data_sets(one, x, make):
    assert_close(predict(one, make(x)), expected(one, x))


def test_a_data_set_of_several_inputs(two, x, z):
    assert_close(predict(two, data_set({"a": x, "b": z})), expected(two, [x, z]))


class Endless(Pieces):
    @property
    def num_batches(self):
        return None


@pytest.mark.parametrize("make", [lambda x: data_set(x).repeat(), Endless])
def test_an_endless_data_set(one, x, make):
    with pytest.raises(ValueError, match=r"must be a data set that ends, got an endless one; take"):
        predict(one, make(x))


def test_an_empty_data_set(one, x):
    with pytest.raises(
        ValueError, match="inputs must hold at least one example, got an empty data"
    ):
        predict(one, data_set(x).take(0))


def test_batch_size_of_a_data_set(one, x):
    with pytest.raises(ValueError, match=r"batch_size must be None for a _BatchDataset.*got 3"):
        predict(one, data_set(x), batch_size=3)


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("form", [tf.sparse.from_dense, scipy.sparse.csr_matrix])
def test_sparse_inputs(one, x, form, batch_size):
    sparse = np.where(x > 0, x, 0)
    assert_close(predict(one, form(sparse), batch_size=batch_size), expected(one, sparse))


@pytest.mark.parametrize("form", [np.array, tf.constant, list, lambda w: np.array(w, object)])
def test_strings(form):
    """XLA has none, and is not tried."""
    layers = [keras.layers.StringLookup(vocabulary=["u", "v"]), keras.layers.Embedding(4, 3)]
    model = keras.Sequential(
        [keras.Input((1,), dtype="string"), *layers, keras.layers.Flatten(), dense(2)]
    )
    words = [["u"], ["v"], ["w"]]
    actual = predict(model, form(words), jit_compile=None)
    assert_close(actual, expected(model, tf.constant(words)))
    with pytest.raises(ValueError, match="jit_compile must be False or None for inputs of strings"):
        predict(model, form(words), jit_compile=True)


def test_an_operation_that_xla_lacks_is_met_by_a_graph(x):
    """Strings within the model, which its inputs do not show."""

    class Words(keras.layers.Layer):
        def call(self, inputs):
            return tf.strings.to_number(tf.strings.as_string(inputs))

    model = keras.Sequential([keras.Input((3,)), Words(), dense(2)])
    assert_close(predict(model, x, jit_compile=None), expected(model, x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="unsupported operations"):
        predict(model, x, jit_compile=True)


RAGGED = [tf.ragged.constant([[1.0], [1.0, 2.0]]), [[1.0], [1.0, 2.0]]]


@pytest.mark.parametrize("inputs", [*RAGGED, np.array([[1.0], [1.0, 2.0]], object)])
def test_ragged_inputs(one, inputs):
    with pytest.raises(
        ValueError, match=r"must be dense or sparse, got .*; pad them to one length"
    ):
        predict(one, inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (1.0, r"inputs must be an array or tensor \[B, …\], a list, .*got a single float64; add"),
        ({"a": np.zeros((2, 3)), "b": np.zeros((3, 4))}, r"shapes?|one row an example, got inputs"),
        (np.array([{}, {}]), r"got ndarray of dict; convert it to numbers"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"takes 1 input, got a list of 2 arrays"),
    ],
)
def test_other_inputs(one, inputs, message):
    with pytest.raises(ValueError, match=message):
        predict(one, inputs)


def test_a_wrong_number_of_inputs(two, x):
    with pytest.raises(ValueError, match=r"model takes 2 inputs, got a list of 3; give one array"):
        predict(two, [x, x, x])


@pytest.mark.parametrize("jit_compile", [None, True])
def test_an_unknown_number_of_rows_in_a_function(one, x, jit_compile):
    serve = tf.function(
        lambda v: predict(one, v, jit_compile=jit_compile),
        input_signature=[tf.TensorSpec([None, 3])],
        autograph=False,
    )
    for rows in (B, 2):
        assert_close(serve(x[:rows]), expected(one, x[:rows]))


def test_a_saved_prediction(one, x, tmp_path):
    module = tf.Module()
    module.model = one
    module.serve = tf.function(
        lambda v: predict(one, v), [tf.TensorSpec([None, 3])], autograph=False
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert_close(loaded.serve(x), expected(one, x))


def test_what_a_function_cannot_take(one, x):
    for inputs, options, message in (
        (x, {"batch_size": 2}, "batch_size must be None inside of a tf.function, got 2"),
        (data_set(x), {}, "inputs must be tensors inside of a tf.function, got a .*Dataset"),
    ):
        with pytest.raises(ValueError, match=message):
            tf.function(lambda i=inputs, o=options: predict(one, i, **o), autograph=False)()
