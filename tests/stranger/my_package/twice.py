"""A layer that is called twice: one weight sample serves both calls."""

import gin
import keras

from bnn.layers import Dense


@gin.register(module="my_package")
def difference(input_shape, num_outputs, *, units=16):
    """f(x) − f(−x), an odd function whatever f's weights are; `[B, in]` to `[B, num_outputs]`."""
    inputs = keras.Input(tuple(input_shape))
    hidden, last = Dense(units, "tanh"), Dense(num_outputs)
    return keras.Model(inputs, last(hidden(inputs)) - last(hidden(-inputs)))
