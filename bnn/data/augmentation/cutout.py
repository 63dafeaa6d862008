"""Images with a square taken out."""

import gin
import numpy as np

from bnn.data.augmentation.base import Draws, ImageMap, check_pixels


@gin.register(module="bnn.data.augmentation")
class Cutout(ImageMap):
    """Sets a square around a random pixel to zero; it may reach over the edge. See `Map` for N.

    Reference: DeVries and Taylor (2017), "Improved regularization of convolutional neural networks
    with cutout", section 3.

    Args:
      size: of the square's side in pixels.
      input: which of several inputs holds the images; None: the only one.
    """

    pixel_labels = "kept"

    def __init__(self, size: int = 8, input: str | None = None) -> None:
        super().__init__(input)
        check_pixels("Cutout: size", size)
        self._size = size

    def images(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        """Returns the images with holes."""
        inside = []
        for axis in (1, 2):
            length = images.shape[axis]
            start = draws.integers(length, 1) - self._size // 2
            place = np.arange(length)
            inside.append((place >= start) & (place < start + self._size))
        hole = inside[0][:, :, np.newaxis] & inside[1][:, np.newaxis, :]
        return np.where(hole[..., np.newaxis], np.float32(0), images)
