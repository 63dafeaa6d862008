"""Shifts of images by a known amount, after Ovadia et al. 2019."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.ndimage


def rotate(images: np.ndarray, degrees: float) -> np.ndarray:
    """Images `[N, H, W, C]` turned about their centre, of the same size.

    Cubic splines between pixels, zero beyond the border, as in the published study.

    Args:
      images: of any range; a black background is 0.
      degrees: counter-clockwise.
    """
    if degrees % 360 == 0:
        return images.copy()
    return scipy.ndimage.rotate(images, degrees, axes=(1, 2), reshape=False, order=3)


def translate(images: np.ndarray, pixels: int) -> np.ndarray:
    """Images `[N, H, W, C]` moved to the right; what leaves there comes in on the left.

    The published study rolls, too: no ink is lost, but digits are cut in two.
    """
    return np.roll(images, pixels, axis=2)


# Kind: the shift and its amounts, those of the published study; 0 is no shift.
SHIFTS: dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], tuple[int, ...]]] = {
    "rotation": (rotate, tuple(range(0, 181, 15))),
    "translation": (translate, tuple(range(0, 27, 2))),
}
UNITS = {"rotation": "degrees", "translation": "pixels"}
