"""Images moved by whole pixels."""

import gin
import numpy as np

from bnn.data.augmentation.base import Draws, ImageMap, check_pixels, check_smaller, windows


@gin.register(module="bnn.data.augmentation")
class Shift(ImageMap):
    """Moves every image by up to `pixels` in both directions, zeros come in; see `Map` for N.

    Args:
      pixels: most pixels in each direction.
      input: which of several inputs holds the images; None: the only one.
    """

    def __init__(self, pixels: int = 2, input: str | None = None) -> None:
        super().__init__(input)
        check_pixels("Shift: pixels", pixels)
        self._pixels = pixels

    def images(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        """Returns the images moved."""
        check_smaller("Shift: pixels", self._pixels, images)
        sides = (self._pixels, self._pixels)
        padded = np.pad(images, ((0, 0), sides, sides, (0, 0)))
        top, left = draws.integers(2 * self._pixels + 1, 2).T
        return windows(padded, top, left, images.shape)
