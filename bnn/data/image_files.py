"""Reading of single image files; needs Pillow."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from bnn.data.extras import required

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Warnings where they are errors.
_FAULTS = (OSError, ValueError, SyntaxError, EOFError, struct.error, ZeroDivisionError, UserWarning)
# EXIF's entry of how the camera was held, and what turns an image upright, by Pillow's names.
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ON_ITS_SIDE = (5, 6, 7, 8)


class UnfitPixelsError(ValueError):
    """Pixels whose range is not known."""


def read_image(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the image as unsigned bytes `[height, width, channels]`, resized if it has to be.

    Turned as a camera's note in the file (EXIF) says. 16 bits a pixel become 8, the upper ones;
    colours become grey, and palettes and CMYK colours, as Pillow has it. Opacity is left out where
    4 channels are not asked for.

    Raises:
      ImportError: Pillow is not installed.
      ValueError: no such file, none that can be decoded, or pixels of unknown range; the message
        names it.
    """
    height, width, channels = shape
    with open_image(path) as image:
        try:
            turn = _TURNS.get(_orientation(image))
            picture = _of_bytes(path, image)
            if turn is not None:
                picture = picture.transpose(getattr(_pillow().Transpose, turn))
            picture = picture.convert(_MODES[channels])
            if picture.size != (width, height):
                picture = picture.resize((width, height))
            return np.asarray(picture, np.uint8).reshape(shape)
        except UnfitPixelsError:
            raise
        except _FAULTS as error:
            raise _undecodable(path, error) from error


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns height and width, upright, of an image whose pixels are not read; errors as above."""
    with open_image(path) as image:
        try:
            width, height = image.size
            turned = _orientation(image) in _ON_ITS_SIDE
        except _FAULTS as error:
            raise _undecodable(path, error) from error
    return (width, height) if turned else (height, width)


def open_image(path: str | os.PathLike[str]) -> Any:
    """Returns Pillow's image with its size known and its pixels not yet read; errors as above."""
    pillow = required("PIL.Image", "images", "Pillow", f"reading {Path(path).name}")
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file; correct the path.")
    try:
        return pillow.open(path)
    except pillow.DecompressionBombError as error:  # so large as if to fill the memory
        raise _undecodable(path, error) from error
    except _FAULTS as error:
        raise _undecodable(path, error) from error


def check_channels(channels: int) -> None:
    """Raises ValueError unless Pillow has a form with so many channels."""
    if channels not in _MODES:
        raise ValueError(
            f"channels must be 1 (grey), 3 (colours) or 4 (and opacity), got {channels!r}."
        )


def _of_bytes(path: str | os.PathLike[str], image: Any) -> Any:
    """The image with 8 bits a channel; Pillow itself would cut 16 off at 255."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        if image.mode == "P" and "transparency" in image.info:
            return image.convert("RGBA")  # Pillow warns of other ways
        return image
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise UnfitPixelsError(
            f"{path}: must have 8 or 16 bits a pixel, got mode {image.mode!r} of 32 bits, whose "
            f"range is not known; save the image with 8 bits."
        )
    wide = np.asarray(image).astype(np.int64)
    return _pillow().fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))


def _orientation(image: Any) -> int:
    """EXIF's number, by what stands before the pixels; 1 where nothing does."""
    if image.format != "PNG":
        return image.getexif().get(_ORIENTATION, 1)
    exif = _pillow().Exif()  # `getexif` would decode the pixels
    exif.load(image.info.get("exif", b""))
    return exif.get(_ORIENTATION, 1)


def _pillow() -> Any:
    return required("PIL.Image", "images", "Pillow", "images")


def _undecodable(path: str | os.PathLike[str], error: Exception) -> ValueError:
    reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
    return ValueError(
        f"{path}: must be an image that can be decoded, got {reason}; replace or delete the file."
    )
