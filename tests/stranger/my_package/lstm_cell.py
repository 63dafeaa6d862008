"""A layer with three sites: an LSTM cell, and a classifier of sequences made of it."""

import gin
import keras

from bnn.layers import BayesianLayer, Dense
from bnn.operators import Bias
from bnn.operators import Dense as Product


@keras.saving.register_keras_serializable(package="my_package")
class LSTMCell(BayesianLayer):
    """h, c ← o ∘ tanh c, f ∘ c + i ∘ tanh z with (i, f, z, o) = x W + h U + b.

    W `[in, 4 units]`, U `[units, 4 units]` and b `[4 units]` are random, and the same at every step
    of a sequence: `keras.layers.RNN(LSTMCell(8))`.

    Args:
      units: size of the state.
      **kwargs: of `bnn.layers.BayesianLayer`, with its options for the three sites.
    """

    site_initializers = {  # noqa: RUF012
        "kernel": "glorot_uniform",
        "recurrent_kernel": "orthogonal",
        "bias": "zeros",
    }

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size, self.output_size = [units, units], units

    def build(self, input_shape):
        gates = 4 * self.units
        self.kernel = self.add_site("kernel", Product(), (input_shape[-1], gates))
        self.recurrent_kernel = self.add_site("recurrent_kernel", Product(), (self.units, gates))
        self.bias = self.add_site("bias", Bias(), (gates,))

    def call(self, inputs, states):
        hidden, carry = states
        gates = self.kernel(inputs) + self.recurrent_kernel(hidden) + self.bias(inputs)
        i, f, z, o = keras.ops.split(gates, 4, axis=-1)
        carry = keras.ops.sigmoid(f + 1) * carry + keras.ops.sigmoid(i) * keras.ops.tanh(z)
        hidden = keras.ops.sigmoid(o) * keras.ops.tanh(carry)
        return hidden, [hidden, carry]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@gin.register(module="my_package")
def sequence_classifier(input_shape, num_outputs, *, units=8, kernel_posterior=None):
    """A recurrent network of one cell, from `[B, time, in]` to `[B, num_outputs]`."""
    cell = LSTMCell(units, kernel_posterior=kernel_posterior)
    inputs = keras.Input(tuple(input_shape))
    return keras.Model(inputs, Dense(num_outputs)(keras.layers.RNN(cell)(inputs)))
