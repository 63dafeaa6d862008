"""Bayesian cells of recurrent layers: one step, whose weights are those of the whole sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.sites import Site


class RecurrentCell(BayesianLayer):
    """One step of a recurrent layer; subclasses stand before the Keras cell of their name.

    A draw has one weight sample a site, at every step of every sequence: the cell fixes it where
    a recurrent layer asks for the initial state, that is before the scan. Estimators that sample
    outputs have none to use again and are refused there, by the name of the site.

    Sites are `kernel` `[in, gates · units]`, `recurrent` `[units, gates · units]` and `bias`.
    """

    site_initializers: ClassVar = {
        "kernel": "glorot_uniform",
        "recurrent": "orthogonal",
        "bias": "zeros",
    }
    gates: ClassVar[int] = 1
    bias_initializer: Any

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units=units, **kwargs)

    def build(self, input_shape: tuple) -> None:
        """Creates the variables."""
        channels, columns = input_shape[-1], self.gates * self.units
        if channels is None:
            raise ValueError(
                f"the last axis of the inputs of cell {self.name!r} must be known, got shape "
                f"{tuple(input_shape)}; give keras.Input the number of features."
            )
        self.kernel = self.add_site("kernel", operators.Dense(), (channels, columns))
        self.recurrent_kernel = self.add_site("recurrent", operators.Dense(), (self.units, columns))
        self.bias = self.add_bias() if self.use_bias else None

    def add_bias(self) -> Site:
        """Declares the bias."""
        shape = (self.gates * self.units,)
        return self.add_site("bias", operators.Offset(shape), shape)

    def get_initial_state(self, batch_size: Any = None) -> Any:
        """Zeros; fixes the weights of the current draw for the scan that follows."""
        states = super().get_initial_state(batch_size)
        self.realise(states[0])
        return states

    def realise(self, like: tf.Tensor) -> None:
        """Fixes the weights of the current draw, the recurrent ones first.

        Args:
          like: a tensor of the batch size and dtype of the states.

        Raises:
          ValueError: an estimator that samples outputs instead of weights.
        """
        for site in sorted(self.sites, key=lambda site: site.name != "recurrent"):
            site.realise(like)

    def biased(self, inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Outputs with the bias, where there is one."""
        return outputs if self.bias is None else outputs + self.bias(inputs)

    def dropped(
        self, site: Site, inputs: tf.Tensor, rate: float, masks: Callable, training: Any
    ) -> tf.Tensor:
        """op(inputs ∘ mask, w) in training, with a mask of its own for every gate if Keras has so.

        Args:
          site: kernel or recurrent kernel.
          inputs: `[B, in]`.
          rate: of the dropout.
          masks: Keras's function that gives the sequence's mask, or one a gate.
          training: of the call.
        """
        if not (training and 0 < rate < 1):
            return site(inputs)
        mask = masks(inputs)
        if not isinstance(mask, list):
            return site(inputs * mask)
        each = [tf.split(site(inputs * m), self.gates, axis=-1)[i] for i, m in enumerate(mask)]
        return tf.concat(each, axis=-1)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class SimpleRNNCell(RecurrentCell, keras.layers.SimpleRNNCell):
    """h' = activation(x W + h U + b) with random W, U and b.

    Args:
      units: size of the state.
      **kwargs: of `keras.layers.SimpleRNNCell`, with the options for the sites.
    """

    def call(self, sequence: Any, states: Any, training: Any = False) -> tuple:
        """Output and new state."""
        h = states[0] if isinstance(states, list | tuple) else states
        x, h = self.floating(sequence), self.floating(h)
        z = self.dropped(self.kernel, x, self.dropout, self.get_dropout_mask, training)
        z = self.biased(x, z) + self.dropped(
            self.recurrent_kernel,
            h,
            self.recurrent_dropout,
            self.get_recurrent_dropout_mask,
            training,
        )
        output = z if self.activation is None else self.activation(z)
        return output, [output] if isinstance(states, list | tuple) else output


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class LSTMCell(RecurrentCell, keras.layers.LSTMCell):
    """c' = f ∘ c + i ∘ a(z_c), h' = o ∘ a(c') with (z_i, z_f, z_c, z_o) = x W + h U + b.

    i, f, o are the recurrent activation of their parts of z (Hochreiter & Schmidhuber 1997), a the
    activation; W, U and b are random.

    Args:
      units: size of the states h and c.
      **kwargs: of `keras.layers.LSTMCell`, with the options for the sites.
    """

    gates: ClassVar[int] = 4

    def add_bias(self) -> Site:
        """Declares the bias, at 1 for the forget gate where `unit_forget_bias`."""
        shape = (self.gates * self.units,)
        forgetful = self.unit_forget_bias
        initializer = _forgetful(self.bias_initializer, self.units) if forgetful else None
        return self.add_site("bias", operators.Offset(shape), shape, initializer)

    def call(self, inputs: Any, states: Any, training: Any = False) -> tuple:
        """Output and new states."""
        x, h, c = (self.floating(t) for t in (inputs, *states))
        z = self.dropped(self.kernel, x, self.dropout, self.get_dropout_mask, training)
        z += self.dropped(
            self.recurrent_kernel,
            h,
            self.recurrent_dropout,
            self.get_recurrent_dropout_mask,
            training,
        )
        i, f, candidate, o = tf.split(self.biased(x, z), 4, axis=-1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(
            candidate
        )
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class GRUCell(RecurrentCell, keras.layers.GRUCell):
    """h' = z ∘ h + (1 − z) ∘ a(x W_h + b_h + r ∘ (h U_h + b'_h)), z and r gates (Cho et al. 2014).

    With `reset_after=False` the last part is (r ∘ h) U_h, and there is one bias instead of two.
    W, U and b are random; b is `[2, 3 units]` with `reset_after`, else `[3 units]`.

    Args:
      units: size of the state.
      **kwargs: of `keras.layers.GRUCell`, with the options for the sites.
    """

    gates: ClassVar[int] = 3

    def add_bias(self) -> Site:
        """Declares the bias: of inputs and states, where the reset comes after the product."""
        columns = self.gates * self.units
        shape = (2, columns) if self.reset_after else (columns,)
        return self.add_site("bias", operators.Offset(shape), shape)

    def call(self, inputs: Any, states: Any, training: Any = False) -> tuple:
        """Output and new state."""
        nested = isinstance(states, list | tuple)
        x, h = self.floating(inputs), self.floating(states[0] if nested else states)
        kept, rate = self.get_recurrent_dropout_mask, self.recurrent_dropout
        x_z, x_r, x_h = tf.split(
            self.dropped(self.kernel, x, self.dropout, self.get_dropout_mask, training), 3, axis=-1
        )
        u = self.dropped(self.recurrent_kernel, h, rate, kept, training)
        if self.bias is not None:
            bias = self.bias(x)
            own, of_state = tf.unstack(bias, axis=1) if self.reset_after else (bias, None)
            x_z, x_r, x_h = (
                part + b for part, b in zip((x_z, x_r, x_h), tf.split(own, 3, axis=-1), strict=True)
            )
            u = u if of_state is None else u + of_state
        u_z, u_r, u_h = tf.split(u, 3, axis=-1)
        z, r = self.recurrent_activation(x_z + u_z), self.recurrent_activation(x_r + u_r)
        if not self.reset_after:
            masks = kept(h) if training and 0 < rate < 1 else 1.0
            mask = masks[2] if isinstance(masks, list) else masks
            u_h = self.recurrent_kernel(r * h * mask)[:, 2 * self.units :]
        candidate = self.activation(x_h + (r * u_h if self.reset_after else u_h))
        h = z * h + (1 - z) * candidate
        return h, [h] if nested else h


def _forgetful(initializer: Any, units: int) -> Callable:
    """The bias's initializer with ones for the forget gate, as Keras has it."""

    def initial(shape: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
        del shape
        ones = keras.initializers.Ones()
        parts = [
            initializer((units,), *args, **kwargs),
            ones((units,), *args, **kwargs),
            initializer((2 * units,), *args, **kwargs),
        ]
        return keras.ops.concatenate(parts)

    return initial
