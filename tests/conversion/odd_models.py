"""Models in the styles that people write, each with data that it can be fitted to.

A fresh process imports this module before it loads what was saved.
"""

import keras
import numpy as np
import tensorflow as tf

import bnn

N = 24
RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(N, 6)).astype("float32")
CLASSES = (ROWS[:, 0] > 0).astype("int32")
IDS = RNG.integers(0, 6, (N, 3)).astype("int32")  # here: a fresh process makes the same
VALUES = ROWS[:, :1].copy()


def classes():
    return bnn.likelihoods.Categorical()


@keras.saving.register_keras_serializable(package="odd")
class Lists(keras.Model):
    """Layers in lists, in dicts, and behind a condition; hands `training` on."""

    def __init__(self, depth=2, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.blocks = [
            (keras.layers.Dense(6, activation="relu"), keras.layers.LayerNormalization())
            for _ in range(depth)
        ]
        self.heads = {"only": keras.layers.Dense(2)}
        self.drop = keras.layers.Dropout(0.2)
        self.unused = None

    def call(self, inputs, training=None):
        h = inputs
        for dense, norm in self.blocks:
            h = h + self.drop(norm(dense(h)), training=training)
        return self.heads["only"](h)

    def get_config(self):
        return {**super().get_config(), "depth": self.depth}


def lists():
    model = Lists()
    model(ROWS[:2])
    return model, classes(), ROWS, CLASSES


@keras.saving.register_keras_serializable(package="odd")
def both_signs(x):
    return keras.ops.concatenate([keras.ops.relu(x), keras.ops.relu(-x)], axis=-1)


def with_lambda():
    inputs = keras.Input((6,))
    h = keras.layers.Lambda(both_signs)(keras.layers.Dense(4)(inputs))
    h = keras.ops.tanh(h) * 2.0
    return keras.Model(inputs, keras.layers.Dense(2)(h)), classes(), ROWS, CLASSES


def dict_of_heads():
    inputs = {"a": keras.Input((6,), name="a"), "b": keras.Input((1,), name="b")}
    h = keras.layers.Concatenate()([inputs["b"], inputs["a"]])
    h = keras.layers.Dense(5, activation="gelu")(h)
    outputs = {"kind": keras.layers.Dense(2)(h), "amount": keras.layers.Dense(1)(h)}
    heads = {"amount": bnn.likelihoods.Normal(scale=0.5), "kind": classes()}
    data = {"a": ROWS, "b": VALUES}, {"kind": CLASSES, "amount": VALUES}
    return keras.Model(inputs, outputs), bnn.likelihoods.Heads(heads), *data


def preprocessing():
    words = np.array(["good film", "bad", "a bad film", "good good"])[np.arange(N) % 4]
    vectors = keras.layers.TextVectorization(max_tokens=10, output_sequence_length=3)
    vectors.adapt(words)
    normalise = keras.layers.Normalization()
    normalise.adapt(ROWS)
    inputs = {
        "text": keras.Input((1,), dtype="string", name="text"),
        "rows": keras.Input((6,), name="rows"),
    }
    h = keras.layers.Embedding(10, 4, mask_zero=True)(vectors(inputs["text"]))
    h = keras.layers.GRU(4)(h)
    r = keras.layers.Rescaling(0.5, offset=1.0)(normalise(inputs["rows"]))
    h = keras.layers.Concatenate()([h, r])
    data = {"text": tf.constant(words[:, np.newaxis]), "rows": ROWS}  # as Keras's `fit` takes it
    return keras.Model(inputs, keras.layers.Dense(2)(h)), classes(), data, CLASSES


def half_precision():
    options = {"dtype": "mixed_float16"}
    layers = [
        keras.Input((6, 1)),
        keras.layers.Conv1D(4, 3, use_bias=False, **options),
        keras.layers.BatchNormalization(**options),
        keras.layers.ReLU(**options),
        keras.layers.Flatten(**options),
        keras.layers.Dense(2, dtype="float32"),
    ]
    return keras.Sequential(layers), classes(), ROWS[..., np.newaxis], CLASSES


@keras.saving.register_keras_serializable(package="odd")
class Counting(keras.layers.Layer):
    """Weights in `build`, a running mean and a count of calls beside them."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.units))
        self.gain = self.add_weight(name="gain", shape=(), initializer="ones")
        self.mean = self.add_weight(
            name="mean", shape=(self.units,), initializer="zeros", trainable=False
        )
        self.calls = self.add_weight(
            name="calls", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def call(self, inputs, training=False):
        outputs = self.gain * keras.ops.matmul(inputs, self.w)
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * keras.ops.mean(outputs, axis=0))
            self.calls.assign_add(1)
        return outputs - self.mean

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def own_state():
    layers = [keras.Input((6,)), Counting(4), keras.layers.Activation("tanh"), Counting(2)]
    return keras.Sequential(layers), classes(), ROWS, CLASSES


def quantized():
    layers = [keras.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    for layer in model.layers:  # Keras warns of its own InputLayer where a model is quantized
        layer.quantize("int8")
    return model, classes(), ROWS, CLASSES


def quantized_and_adapted():
    model, *data = quantized()
    model.layers[0].enable_lora(2)
    model.layers[0].lora_kernel_b.assign(RNG.normal(size=(2, 8)))
    return model, *data


def wrapped():
    inputs = keras.Input((6, 1))
    h = keras.layers.TimeDistributed(keras.layers.Dense(3))(inputs)
    h = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))(h)
    h = keras.layers.SpectralNormalization(keras.layers.Conv1D(3, 2))(h)
    h = keras.layers.GlobalMaxPooling1D()(h)
    return keras.Model(inputs, keras.layers.Dense(2)(h)), classes(), ROWS[..., None], CLASSES


@keras.saving.register_keras_serializable(package="odd")
class TwoInputs(keras.Model):
    """A subclassed model of a tuple, with a nested functional model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "tanh")])
        self.head = keras.layers.Dense(2)

    def call(self, inputs):
        left, right = inputs
        return self.head(keras.ops.concatenate([self.stem(left), right], -1))


def two_inputs():
    model = TwoInputs()
    model((ROWS[:2], VALUES[:2]))
    return model, classes(), (ROWS, VALUES), CLASSES


@keras.saving.register_keras_serializable(package="odd")
class Tied(keras.Model):
    """The embedding's table is the output's kernel, too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = keras.layers.Embedding(6, 4)
        self.mix = keras.layers.Dense(4, activation="tanh")

    def call(self, ids):
        h = self.mix(keras.ops.mean(self.table(ids), axis=1))
        return keras.ops.matmul(h, keras.ops.transpose(self.table.embeddings))


def tied():
    model = Tied()
    model(IDS[:2])
    return model, classes(), IDS, IDS[:, 0]


def shared_twice():
    first, second = keras.Input((6,), name="first"), keras.Input((6,), name="second")
    tower = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "relu")], name="tower")
    scale = keras.layers.Dense(4, name="scale")
    h = keras.layers.Multiply()([scale(tower(first)), scale(tower(second))])
    model = keras.Model([first, second], keras.layers.Dense(2)(h))
    return model, classes(), [ROWS, ROWS[::-1].copy()], CLASSES


ODD = {
    make.__name__: make
    for make in (
        lists,
        with_lambda,
        dict_of_heads,
        preprocessing,
        half_precision,
        own_state,
        quantized_and_adapted,
        wrapped,
        two_inputs,
        tied,
        shared_twice,
    )
}
