"""Augmentation: maps of the training examples, random by (seed, step, example) alone."""

from bnn.data.augmentation.augmented import augmented
from bnn.data.augmentation.base import Draws, ImageMap, Map
from bnn.data.augmentation.crop import Crop
from bnn.data.augmentation.cutout import Cutout
from bnn.data.augmentation.flip import Flip
from bnn.data.augmentation.mixup import Mixup
from bnn.data.augmentation.shift import Shift

__all__ = ["Crop", "Cutout", "Draws", "Flip", "ImageMap", "Map", "Mixup", "Shift", "augmented"]
