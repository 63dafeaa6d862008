"""A recalibration of probabilities as operations of TensorFlow, for models that are exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bnn.likelihoods import Likelihood
from bnn.predictive.scaling import (
    SMALLEST,
    MatrixScaling,
    Scaling,
    TemperatureScaling,
    VectorScaling,
)

Map = Callable[[tf.Tensor], tf.Tensor]


def recalibration(given: Any, model: keras.Model, likelihood: Likelihood) -> Map | None:
    """A fitted map as softmax(ln p W + b), float64 `[B, C]` to the same; None for None.

    Args:
      given: a map, or a `Calibration` that has one.
      model: with the number of classes in its outputs' last axis.
      likelihood: p(y | outputs).

    Raises:
      ValueError: something else, a map that is not affine in ln p, or fitted to other classes.
    """
    if given is None:
        return None
    scaling = given if isinstance(given, Scaling) else getattr(given, "scaling", None)
    if not isinstance(scaling, (TemperatureScaling, VectorScaling, MatrixScaling)):
        raise ValueError(
            "calibration must be a fitted TemperatureScaling, VectorScaling or MatrixScaling, or a "
            f"Calibration with one, got {given!r}; apply others to the exported probabilities: "
            "Calibration.probs(mean), .sets(mean)."
        )
    scaling.require_fitted()
    if getattr(likelihood, "task", None) != "classification":
        raise ValueError(
            f"calibration is of classes, got the likelihood {type(likelihood).__name__}; leave it "
            "out."
        )
    known, found = int(scaling.state["num_classes"]), int(model.outputs[0].shape[-1])
    if known != found:
        raise ValueError(
            f"calibration must be fitted to the model's {found} outputs, got a map of {known} "
            "classes; fit it to predictions of this model."
        )
    kernel, offset = (tf.constant(scaling.state[name], tf.float64) for name in ("kernel", "offset"))

    def recalibrated(probs: tf.Tensor) -> tf.Tensor:
        logs = tf.math.log(tf.maximum(tf.cast(probs, tf.float64), SMALLEST))
        return tf.nn.softmax(logs @ kernel + offset)

    return recalibrated
