"""A normal prior of filters whose neighbouring places are correlated."""

from __future__ import annotations

import math

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise
from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class CorrelatedConvolution(Prior):
    """vec_p w_pio ~ N(0, s² K) for every filter i, o, K_pp' = exp(−‖p − p'‖ / λ).

    The correlated prior of convolutions of Fortuin et al. (2022): within a filter places p that are
    near each other have weights that are alike, with a Matérn-½ covariance; filters are independent
    of one another. The last two axes count filters, all before them are space. A tensor without
    space, such as the kernel of a dense layer or of an `EinsumDense`, of which attention is made,
    has N(0, s²) by element. With K = L Lᵀ

        ln p(w) = −½ Σ_io ‖L⁻¹ w_io‖² / s² − F ln det L − D ln(s √2π),

    F filters and D weights.

    Args:
      scale: s, standard deviation of every element, positive.
      length_scale: λ in places, positive.
    """

    def __init__(self, scale: float = 1.0, length_scale: float = 1.0) -> None:
        self.scale = require_positive("scale", scale)
        self.length_scale = require_positive("length_scale", length_scale)
        self._shape: tuple[int, int] | None = None
        self._root: np.ndarray | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Takes note of the places and factorises K.

        Raises:
          ValueError: a tensor of three axes or more of a layer that is no convolution.
        """
        space = _space(layer, name, shape)
        self._shape = (math.prod(space), math.prod(shape) // max(math.prod(space), 1))
        places = np.indices(space).reshape(len(space), self._shape[0])
        gaps = places[:, :, np.newaxis] - places[:, np.newaxis]
        distance = np.sqrt(np.sum(gaps**2, axis=0))
        self._root = np.linalg.cholesky(np.exp(-distance / self.length_scale))

    @property
    def shape(self) -> tuple[int, int]:
        """Places and filters; ValueError before `build`."""
        if self._shape is None:
            raise ValueError("CorrelatedConvolution knows no shape yet: build its layer first.")
        return self._shape

    def half_log_det(self) -> float:
        """½ ln det of the covariance, and D/2 ln 2π."""
        places, filters = self.shape
        own = places * filters * (math.log(self.scale) + 0.5 * math.log(2 * math.pi))
        return own + filters * float(np.log(np.diag(self._factor())).sum())

    def precision(self) -> np.ndarray:
        """K⁻¹ / s², `[places, places]`, float64."""
        inverse = np.linalg.inv(self._factor())
        return inverse.T @ inverse / self.scale**2

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """As above, scalar."""
        white = tf.constant(np.linalg.inv(self._factor()) / self.scale, tf.float32)
        squares = tf.square(tf.matmul(white, tf.reshape(weights, self.shape)))
        return -0.5 * tf.reduce_sum(squares) - self.half_log_det()

    def deviation(self, noise: Noise, shape: tuple[int, ...]) -> tf.Tensor:
        """Of every filter s L ε, ε ~ N(0, 1)."""
        root = tf.constant(self.scale * self._factor(), tf.float32)
        return tf.reshape(tf.matmul(root, noise.normal(self.shape)), shape)

    def _factor(self) -> np.ndarray:
        self.shape  # noqa: B018  (raises the clear error before build)
        assert self._root is not None
        return self._root

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"scale": self.scale, "length_scale": self.length_scale}


def _space(layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that are places: all but two of a convolution's, none of attention's."""
    owners = getattr(layer, "owners", None)  # of a layer that wraps another
    owner = layer if owners is None else owners[name]
    if len(shape) < 3 or hasattr(owner, "equation"):
        return ()
    if owners is not None and not hasattr(owner, "kernel_size"):
        raise ValueError(
            f"CorrelatedConvolution needs filters, their places first, but weights {name} of shape "
            f"{shape} are of {type(owner).__name__}, which is no convolution; give this layer "
            "priors.Normal()."
        )
    return shape[:-2]
