"""What `tf.vectorized_map` lacks for noise: the conversion of a bitcast."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor


def register_bitcast() -> None:
    """Teaches `tf.vectorized_map` the bitcast, which works on every element alone.

    TensorFlow has no public way to add a conversion. Without it counter-based noise, made of
    integer arithmetic on the bits of numbers, could only be mapped one member after the other.
    A TensorFlow that knows the conversion itself keeps its own.
    """
    if "Bitcast" not in pfor._pfor_converter_registry:
        pfor.RegisterPFor("Bitcast")(_convert_bitcast)


def _convert_bitcast(converted: pfor._PforInput) -> pfor.WrappedTensor:
    dtype = converted.get_attr("type")
    return pfor.wrap(tf.bitcast(converted.stacked_input(0), dtype), True)
