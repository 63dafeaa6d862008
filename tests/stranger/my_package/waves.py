"""A data set: noisy waves of three frequencies, made when it is asked for."""

import gin
import numpy as np

from bnn.data import classification_dataset


@gin.register(module="my_package")
def waves(num_train=240, num_test=60, length=12, seed=0):
    """Sequences `[N, length, 1]` of three classes."""
    rng = np.random.default_rng(seed)

    def part(size):
        labels = rng.integers(0, 3, size)
        time = np.arange(length) + rng.uniform(0, length, (size, 1))
        wave = np.sin(0.5 * (labels[:, None] + 1) * time) + 0.3 * rng.normal(size=(size, length))
        return wave[..., None].astype(np.float32), labels

    return classification_dataset("waves", part(num_train), part(num_test), num_classes=3)
