"""What a training cost: the number of examples whose gradient was taken."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.data import Batch


class Cost:
    """Counts examples, in a variable that checkpoints hold.

    Attributes:
      examples: so far, of all replicas, int64.
    """

    def __init__(self) -> None:
        self.examples = keras.Variable(0, dtype="int64", trainable=False, name="examples")

    def add(self, batch: Batch, times: int = 1) -> None:
        """So many gradients of every example of a step; `batch` is a replica's share."""
        share = tf.shape(tf.nest.flatten(batch.targets)[0], tf.int64)[0]
        self.spend(share * times * tf.distribute.get_strategy().num_replicas_in_sync)

    def spend(self, examples: Any) -> None:
        """Gradients of so many examples."""
        self.examples.assign_add(tf.cast(examples, tf.int64))

    def describe(self, num_train: int) -> dict[str, Any]:
        """The number, and in passes over the N training examples."""
        return described(int(self.examples.numpy()), num_train)


def described(examples: int, num_train: int) -> dict[str, Any]:
    """What results say of a number of gradients."""
    return {"gradient_evaluations": examples, "passes_over_the_data": examples / num_train}
