"""Bayesian recurrent layers: Keras's own, with a Bayesian cell."""

from __future__ import annotations

from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn.compat import replace_child
from bnn.layers.family_arguments import FamilyArguments
from bnn.layers.recurrent_cells import GRUCell, LSTMCell, RecurrentCell, SimpleRNNCell


class Recurrent(FamilyArguments):
    """Stands before the Keras layer of the name; its cell holds the sites.

    A draw draws the weights once a sequence, before the scan: every step of every example of the
    batch sees one function, which is what a recurrent network is (Gal & Ghahramani 2016; Fortunato
    et al. 2017). Local reparameterization samples outputs instead and is refused; Flipout has
    signs per example that stay the same at all steps.

    Masks, `stateful`, `go_backwards`, `return_sequences`, `return_state`, `unroll`, `dropout` and
    everything else is Keras's. cuDNN takes no sampled weights and is never used. Dropout's masks
    come from Keras's seed generators, not from the draw.

    Attributes:
      cell_type: of the cell.
    """

    family_sites: ClassVar = tuple(RecurrentCell.site_initializers)
    cell_type: ClassVar[type[RecurrentCell]]
    cell: Any

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        if kwargs.pop("use_cudnn", "auto") is True:
            raise ValueError(
                f"use_cudnn must be 'auto' or False in bnn.layers.{type(self).__name__}, got True: "
                "cuDNN does not take one weight sample a sequence."
            )
        super().__init__(units, *args, **kwargs)
        config = {**self.cell.get_config(), **self.families()}
        if hasattr(self.cell, "implementation"):
            config["implementation"] = self.cell.implementation
        replace_child(self, "cell", self.cell_type(**config))
        self.supports_jit = True

    def inner_loop(
        self, sequences: tf.Tensor, initial_state: Any, mask: Any, training: Any = False
    ) -> Any:
        """Keras's scan over the steps, the weights fixed before."""
        self.cell.realise(tf.nest.flatten(initial_state)[0])
        if isinstance(mask, list | tuple):
            mask = mask[0]
        scan = keras.layers.RNN.inner_loop
        return scan(self, sequences, initial_state, mask=mask, training=training)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class SimpleRNN(Recurrent, keras.layers.SimpleRNN):
    """The recurrent layer of `SimpleRNNCell` on inputs `[B, T, in]`; see `Recurrent`.

    Args:
      units: size of state and outputs.
      **kwargs: of `keras.layers.SimpleRNN`, with the posteriors and priors of the cell's sites.
    """

    cell_type = SimpleRNNCell


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class LSTM(Recurrent, keras.layers.LSTM):
    """The recurrent layer of `LSTMCell` on inputs `[B, T, in]`; see `Recurrent`.

    Args:
      units: size of states and outputs.
      **kwargs: of `keras.layers.LSTM`, with the posteriors and priors of the cell's sites.
    """

    cell_type = LSTMCell


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class GRU(Recurrent, keras.layers.GRU):
    """The recurrent layer of `GRUCell` on inputs `[B, T, in]`; see `Recurrent`.

    Args:
      units: size of state and outputs.
      **kwargs: of `keras.layers.GRU`, with the posteriors and priors of the cell's sites.
    """

    cell_type = GRUCell
