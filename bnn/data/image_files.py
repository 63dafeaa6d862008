"""Reading of single image files; needs Pillow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from bnn.data.extras import required

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_image(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the image as unsigned bytes `[height, width, channels]`, resized if it has to be.

    Raises:
      ImportError: Pillow is not installed.
      ValueError: no such file, or none that can be decoded; the message names it.
    """
    height, width, channels = shape
    with open_image(path) as image:
        try:
            picture = image.convert(_MODES[channels])
            if picture.size != (width, height):
                picture = picture.resize((width, height))
            return np.asarray(picture, np.uint8).reshape(shape)
        except (OSError, ValueError, SyntaxError) as error:
            raise _undecodable(path, error) from error


def open_image(path: str | os.PathLike[str]) -> Any:
    """Returns Pillow's image with its size known and its pixels not yet read; errors as above."""
    image_module = required("PIL.Image", "images", "Pillow", f"reading {Path(path).name}")
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file; correct the path.")
    try:
        return image_module.open(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise _undecodable(path, error) from error


def check_channels(channels: int) -> None:
    """Raises ValueError unless Pillow has a form with so many channels."""
    if channels not in _MODES:
        raise ValueError(
            f"channels must be 1 (grey), 3 (colours) or 4 (and opacity), got {channels!r}."
        )


def _undecodable(path: str | os.PathLike[str], error: Exception) -> ValueError:
    reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
    return ValueError(
        f"{path}: must be an image that can be decoded, got {reason}; replace or delete the file."
    )
