"""Mirrored images."""

import gin
import numpy as np

from bnn.data.augmentation.base import Draws, ImageMap


@gin.register(module="bnn.data.augmentation")
class Flip(ImageMap):
    """Mirrors every image with chance ½ in each direction that is allowed; see `Map` for N.

    Args:
      horizontal: left and right may change places.
      vertical: top and bottom may change places.
      input: which of several inputs holds the images; None: the only one.
    """

    pixel_labels = "moved"

    def __init__(
        self, horizontal: bool = True, vertical: bool = False, input: str | None = None
    ) -> None:
        super().__init__(input)
        if not horizontal and not vertical:
            raise ValueError("Flip must be allowed horizontal or vertical, got neither.")
        self._axes = [axis for axis, on in ((2, horizontal), (1, vertical)) if on]

    def images(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        """Returns images, some of them mirrored."""
        chosen = draws.uniform(len(self._axes)) < 0.5
        for axis, choice in zip(self._axes, chosen.T, strict=True):
            images = np.where(choice[:, None, None, None], np.flip(images, axis), images)
        return images
