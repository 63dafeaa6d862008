"""LeNet-5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras

from bnn.layers import Conv2D, Dense
from bnn.models.families import check_single
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def lenet5(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    activation: Any = "relu",
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """LeNet-5 (LeCun et al. 1998) with ReLU and max pooling; 61,706 weights on 28 × 28 images.

    Convolutions 5 × 5 of 6 filters ("same" padding, which stands for the original's 32 × 32
    input), 16 and 120 filters ("valid"), the first two followed by 2 × 2 max pooling; then dense
    layers of 84 units and the outputs.

    Args:
      input_shape: `(height, width, channels)` of one image, at least 28 × 28.
      num_outputs: number of outputs, linear.
      activation: of all layers but the last.
      kernel_posterior: of every kernel; the layer's default where None.
      bias_posterior: of every bias.
      kernel_prior: of every kernel.
      bias_prior: of every bias.

    Returns:
      A Keras model from `[B, height, width, channels]` to `[B, num_outputs]`.
    """
    check_single("lenet5", input_shape, num_outputs)
    if len(input_shape) != 3 or min(input_shape[:2]) < 28:
        raise ValueError(
            "input_shape must be (height, width, channels) with at least 28 x 28 pixels, got "
            f"{tuple(input_shape)}; load images with flatten=False, or use bnn.models.mlp."
        )
    options = {
        "kernel_posterior": kernel_posterior,
        "bias_posterior": bias_posterior,
        "kernel_prior": kernel_prior,
        "bias_prior": bias_prior,
    }
    hidden = {"activation": activation, "kernel_initializer": "he_normal", **options}
    return keras.Sequential(
        [
            keras.Input(tuple(input_shape)),
            Conv2D(6, 5, padding="same", **hidden),
            keras.layers.MaxPooling2D(2),
            Conv2D(16, 5, **hidden),
            keras.layers.MaxPooling2D(2),
            Conv2D(120, 5, **hidden),
            keras.layers.Flatten(),
            Dense(84, **hidden),
            Dense(num_outputs, kernel_initializer="glorot_normal", **options),
        ]
    )
