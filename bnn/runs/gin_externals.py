"""What of other libraries can be chosen in gin files: Keras's optimizers."""

from __future__ import annotations

import gin
import keras

OPTIMIZERS = ("Adam", "AdamW", "Adamax", "Adagrad", "Lamb", "Lion", "Nadam", "RMSprop", "SGD")


def register() -> None:
    """Registers the Keras optimizers, as `@keras.optimizers.Adam()`; once per process."""
    for name in OPTIMIZERS:
        gin.external_configurable(getattr(keras.optimizers, name), module="keras.optimizers")


register()
