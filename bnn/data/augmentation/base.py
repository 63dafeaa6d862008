"""What every augmentation is: a pure function of a batch and of random numbers by coordinates."""

from __future__ import annotations

import abc
import copy
from typing import Any, ClassVar, Literal

import numpy as np

from bnn.data import nests
from bnn.data.examples import Example
from bnn.noise import threefry

# Apart from all coordinates of a model's noise under the same seed.
_DOMAIN = (np.uint32(0x64617461), np.uint32(0x61756700))


class Draws:
    """Random numbers of one map at one step: those of an example depend on (seed, step, row) alone.

    Threefry keyed by seed, step and the map's place; counted by the example's row and the draw.

    Args:
      seed: integer; 64 bits count.
      step: training step.
      rows: the examples' numbers, int64 `[B]`.
      place: of the map among the maps.
    """

    def __init__(self, seed: int, step: int, rows: np.ndarray, place: int) -> None:
        low, high = (np.array(seed >> shift & 0xFFFFFFFF, np.uint32) for shift in (0, 32))
        apart = threefry((low, high), _DOMAIN)
        where = np.array(step & 0xFFFFFFFF, np.uint32), np.array(place, np.uint32)
        self._key = threefry(apart, where)
        # Rows and the higher bits of steps are below 2³² in any run that ends.
        self._rows = rows.astype(np.uint32)
        self._drawn = 0

    def bits(self, count: int) -> np.ndarray:
        """Returns the next random words of every example, uint32 `[B, count]`."""
        numbers = np.arange(self._drawn, self._drawn + count, dtype=np.uint32)
        self._drawn += count
        first, _ = threefry(self._key, (self._rows[:, np.newaxis], numbers))
        return first

    def uniform(self, count: int) -> np.ndarray:
        """Returns numbers in the open interval (0, 1), float64 `[B, count]`."""
        return (self.bits(count) + 0.5) / 2.0**32

    def integers(self, limit: int, count: int) -> np.ndarray:
        """Returns whole numbers in [0, limit), int64 `[B, count]`; bias below limit / 2³²."""
        return (self.bits(count).astype(np.uint64) * np.uint64(limit) >> np.uint64(32)).astype(
            np.int64
        )


class Map(abc.ABC):
    """An augmentation of training examples.

    N stays the number of examples that were observed, and the likelihood of an augmented example
    takes the place of the observed one's. What is minimised is then no bound on the evidence of a
    model of the data: averaged over augmentations, an example's likelihood is weaker or stronger
    than that of one observation. Such posteriors predict best when they are tempered ("cold
    posteriors"): Wenzel et al. (2020), "How good is the Bayes posterior in deep neural networks
    really?", name augmentation among the possible reasons, and Izmailov et al. (2021), "What are
    Bayesian neural network posteriors really like?", find the effect to be largely an artifact of
    it. So say which augmentation a result was made with, and compare methods under the same.

    Attributes:
      mixes_examples: an example depends on others of its batch.
    """

    mixes_examples: bool = False

    @abc.abstractmethod
    def __call__(self, batch: Example, draws: Draws) -> Example:
        """Returns the augmented batch, in new arrays."""

    def bind(self, data: Any) -> Map:
        """Returns the map for a Dataset; ValueError where it cannot serve it."""
        del data
        return self

    def observed(self, batch: Example) -> Example:
        """Returns a batch as it is, in the form that the map gives: what a method reads at its end.

        A map that changes what targets look like says here how those of observed examples do.
        """
        return batch


class ImageMap(Map):
    """A map of images `[B, height, width, channels]`; targets of whole images stay as they are.

    Args:
      input: which of several inputs holds the images; None: the only one.

    Attributes:
      pixel_labels: of a class number a pixel, `[B, height, width]`: "moved" as the pixels are,
        "kept", or "refused", because pixels come in that have none.
    """

    pixel_labels: ClassVar[Literal["moved", "kept", "refused"]] = "refused"
    # Targets to move, by name; True or False for the only one.
    _moved: Any = False

    def __init__(self, input: str | None = None) -> None:
        self.input = input

    def bind(self, data: Any) -> ImageMap:
        """Returns the map for a Dataset; ValueError where its label maps cannot be moved."""
        maps = nests.mapped(lambda kind: kind == "label_map", data.kinds)
        labels = [label for label, is_map in nests.leaves("targets", maps) if is_map]
        if not labels or self.pixel_labels == "kept":
            return self
        if self.pixel_labels == "refused":
            raise ValueError(
                f"{type(self).__name__} takes targets of whole images, got a label for every pixel "
                f"in {labels[0]}, of which pixels that come in have none; use Flip or Crop, which "
                f"move the labels, too."
            )
        image = self._image(data.x_train)
        nests.mapped(lambda y, is_map: self._check_pixels(image, y, is_map), data.y_train, maps)
        bound = copy.copy(self)
        bound._moved = maps
        return bound

    def __call__(self, batch: Example, draws: Draws) -> Example:
        """Returns the batch with changed images, and label maps that were moved with them."""
        inputs, targets = batch.inputs, batch.targets
        if self._moved is not False:
            targets = nests.mapped(
                lambda y, moved: self._moved_labels(y, draws) if moved else y, targets, self._moved
            )
        if not isinstance(inputs, dict):
            return Example(self._changed(inputs, draws), targets, batch.weights)
        name = self._name(inputs)
        return Example({**inputs, name: self._changed(inputs[name], draws)}, targets, batch.weights)

    @abc.abstractmethod
    def images(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        """Returns changed images, of the same shape, in a new array."""

    def _name(self, inputs: dict[str, Any]) -> str:
        name = self.input if self.input is not None or len(inputs) > 1 else next(iter(inputs))
        if name is None or name not in inputs:
            raise ValueError(
                f"{type(self).__name__}: input must name one of the inputs "
                f"{', '.join(map(repr, inputs))}, got {self.input!r}."
            )
        return name

    def _image(self, inputs: Any) -> Any:
        return inputs[self._name(inputs)] if isinstance(inputs, dict) else inputs

    def _check_pixels(self, image: np.ndarray, labels: np.ndarray, is_map: bool) -> None:
        if is_map and labels.shape[1:] != image.shape[1:3]:
            raise ValueError(
                f"{type(self).__name__} moves label maps of the images' height and width, "
                f"{image.shape[1:3]}, got labels of shape {labels.shape[1:]}; bring them to one "
                f"size."
            )

    def _moved_labels(self, labels: np.ndarray, draws: Draws) -> np.ndarray:
        """Class numbers of pixels, moved by the numbers that the images will be moved by."""
        moved = self.images(labels[..., np.newaxis], copy.copy(draws))
        return moved[..., 0]

    def _changed(self, images: Any, draws: Draws) -> np.ndarray:
        shape = getattr(images, "shape", ())
        if len(shape) != 4 or images.dtype != np.float32:
            raise ValueError(
                f"{type(self).__name__} takes float32 images [B, height, width, channels], got "
                f"{getattr(images, 'dtype', type(images).__name__)} of shape {shape}; load them "
                f"with flatten=False, and flatten in the model."
            )
        return self.images(images, draws)


def windows(padded: np.ndarray, top: np.ndarray, left: np.ndarray, shape: Any) -> np.ndarray:
    """Returns of every padded image `[B, H, W, C]` the window of `shape` at top `[B]`, left."""
    rows = top[:, np.newaxis] + np.arange(shape[1])
    columns = left[:, np.newaxis] + np.arange(shape[2])
    images = np.arange(len(padded))[:, np.newaxis, np.newaxis]
    return padded[images, rows[:, :, np.newaxis], columns[:, np.newaxis, :]]


def check_pixels(argument: str, value: object) -> None:
    """Raises ValueError unless value is an integer of at least 1."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{argument} must be a whole number of pixels of at least 1, got {value!r}; leave the "
            f"augmentation out for none."
        )


def check_smaller(argument: str, value: int, images: np.ndarray) -> None:
    """Raises ValueError unless value is less than the images' height and width."""
    if value >= min(images.shape[1:3]):
        raise ValueError(
            f"{argument} must be less than the images' size, {images.shape[1]} x "
            f"{images.shape[2]}, got {value}; use an eighth of it, for example."
        )
