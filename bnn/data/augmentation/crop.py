"""Random crops of images that were padded by their own reflection."""

import gin
import numpy as np

from bnn.data.augmentation.base import Draws, ImageMap, check_pixels, check_smaller, windows


@gin.register(module="bnn.data.augmentation")
class Crop(ImageMap):
    """Pads by reflection and cuts the old size at a random place; see `Map` for N.

    Args:
      padding: pixels on every side.
      input: which of several inputs holds the images; None: the only one.
    """

    pixel_labels = "moved"

    def __init__(self, padding: int = 4, input: str | None = None) -> None:
        super().__init__(input)
        check_pixels("Crop: padding", padding)
        self._padding = padding

    def images(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        """Returns crops of the images' own size."""
        check_smaller("Crop: padding", self._padding, images)
        sides = (self._padding, self._padding)
        padded = np.pad(images, ((0, 0), sides, sides, (0, 0)), "reflect")
        top, left = draws.integers(2 * self._padding + 1, 2).T
        return windows(padded, top, left, images.shape)
