"""The normal prior with a mean and a scale for every element."""

from __future__ import annotations

import base64
import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.priors.elementwise_normal import ElementwiseNormal


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class ArrayNormal(ElementwiseNormal):
    """p(w) = ∏ᵢ N(wᵢ; mᵢ, sᵢ²) m and s arrays: another posterior's (Nguyen et al. 2018).

    `bnn.priors.Around` takes m from the network that is converted; here both arrays are given, and
    are part of the configuration: as bytes in base64, never as a pickle.

    Args:
      loc: m, of a shape that broadcasts to the tensor's.
      scale: s, positive, likewise.
    """

    def __init__(self, loc: Any = 0.0, scale: Any = 1.0) -> None:
        self._arrays = {"loc": _finite("loc", loc), "scale": _finite("scale", scale)}
        if not (self._arrays["scale"] > 0).all():
            raise ValueError(
                f"scale must be positive everywhere, got a least value of {np.min(scale)}."
            )

    @property
    def loc(self) -> tf.Tensor:
        """M, float32."""
        return tf.constant(self._arrays["loc"])

    def current_scale(self) -> tf.Tensor:
        """S, float32."""
        return tf.constant(self._arrays["scale"])

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Checks the shapes.

        Raises:
          ValueError: an array that does not broadcast to the tensor's shape.
        """
        for part, array in self._arrays.items():
            if not _broadcasts(array.shape, shape):
                raise ValueError(
                    f"{part} of ArrayNormal must broadcast to the shape {tuple(shape)} of {name!r} "
                    f"of layer {layer.name!r}, got an array of shape {array.shape}."
                )

    def get_config(self) -> dict:
        """Keras configuration."""
        return {part: _to_config(array) for part, array in self._arrays.items()}

    @classmethod
    def from_config(cls, config: dict) -> ArrayNormal:
        """The description that `get_config` gave."""
        return cls(**{part: _from_config(value) for part, value in config.items()})


def _finite(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value, np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite everywhere, got {array[~np.isfinite(array)][:3]}.")
    return array


def _broadcasts(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(own, tuple(shape)) == tuple(shape)
    except ValueError:
        return False


def _to_config(array: np.ndarray) -> dict:
    """Shape and little-endian float32 bytes, in base64."""
    data = base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")
    return {"shape": list(array.shape), "float32": data}


def _from_config(config: dict) -> np.ndarray:
    """The array; ValueError where the bytes are not those of its shape."""
    shape, data = tuple(config["shape"]), base64.b64decode(config["float32"], validate=True)
    if len(data) != 4 * math.prod(shape):
        raise ValueError(
            f"an array of shape {shape} must have {4 * math.prod(shape)} bytes in the "
            f"configuration, got {len(data)}; the file is damaged."
        )
    return np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)
