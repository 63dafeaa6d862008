"""Preparation of image files, and of images as arrays."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar

import numpy as np

from bnn.data import memory
from bnn.data.image_files import read_image
from bnn.data.preparation.arrays import ArrayPreparation, check_pixels
from bnn.data.preparation.base import Preparation


@dataclasses.dataclass(frozen=True, eq=False)
class ImagePreparation(Preparation):
    """Files are read, resized and scaled to [0, 1]; then `(pixel − loc) / scale`.

    Attributes:
      shape: `(height, width, channels)`.
      loc, scale: float64 `[]`; None: the pixels as they are.
    """

    kind: ClassVar[str] = "image"
    shape: tuple[int, int, int]
    loc: np.ndarray | None = None
    scale: np.ndarray | None = None

    def prepare(self, name: str, raw: Any) -> np.ndarray:
        """Returns float32 `[N, height, width, channels]`.

        Args:
          name: the set's name, for errors.
          raw: a list of paths, or an array of images: unsigned bytes, or numbers in [0, 1].

        Raises:
          ValueError: a file that is no image, or an array of another size.
        """
        if isinstance(raw, (str, os.PathLike)):
            raw = [raw]
        if isinstance(raw, list) and raw and all(isinstance(p, (str, os.PathLike)) for p in raw):
            images = np.stack([read_image(path, self.shape) for path in raw])
        else:
            images = np.asarray(raw)
            if images.dtype.kind in "biuf":
                check_pixels(name, images)
        if images.dtype == np.uint8:
            images = memory.filled(images, divisor=255)
        return ArrayPreparation(self.shape, self.loc, self.scale).prepare(name, images)

    def recognises(self, raw: Any) -> bool:
        """Returns True for paths, and for pixels in bytes."""
        paths = (str, os.PathLike)
        listed = isinstance(raw, list) and bool(raw) and isinstance(raw[0], paths)
        return listed or isinstance(raw, paths) or getattr(raw, "dtype", None) == np.uint8

    def fields(self) -> dict[str, Any]:
        """Returns shape, loc and scale."""
        fields = ArrayPreparation(self.shape, self.loc, self.scale).fields()
        return {key: fields[key] for key in ("shape", "loc", "scale")}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> ImagePreparation:
        """Returns the preparation with these fields."""
        array = ArrayPreparation.from_fields({**fields, "integer": False})
        height, width, channels = array.shape
        return cls((height, width, channels), array.loc, array.scale)
