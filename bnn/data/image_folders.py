"""Folders of image files, a folder a class; needs Pillow (the extra `bnn[images]`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gin
import numpy as np

from bnn.data import memory, scales
from bnn.data.build import build
from bnn.data.class_folders import class_folders, has_own_parts
from bnn.data.dataset import Dataset
from bnn.data.image_files import SUFFIXES, check_channels, image_size, read_image
from bnn.data.image_streams import ImageFiles, pixel_scales
from bnn.data.preparation import ImagePreparation
from bnn.data.splits import PARTS, Rows, split_by_fraction
from bnn.data.targets import prepared_targets


@gin.register(module="bnn.data")
def image_folder(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    channels: int = 3,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
    standardize: bool = False,
    stream: bool = False,
    num_workers: int = 0,
    name: str | None = None,
    stream_test: bool = False,
) -> Dataset:
    """Returns the images below a folder, float32 `[N, height, width, channels]` in [0, 1].

    `path/train/cat/1.png`, `path/test/cat/2.png` (and `path/valid/…`) are parts of their own;
    `path/cat/1.png` are split by fractions. Classes are the folders' names in sorted order.

    Args:
      path: of the folder.
      size: `(height, width)` that images are resized to; None: all have one size.
      channels: 1 for grey, 3 for colours, 4 with opacity.
      test_fraction: share that becomes the test part, where no folder does.
      validation_fraction: share of the training images that becomes the validation part, likewise.
      seed: seed of both choices.
      standardize: subtract the mean of all training pixels and divide by their standard deviation,
        one number each. Where images are streamed, one pass over the training files finds both
        before training; the run keeps them with its scaling.
      stream: read training images when they are needed, for sets larger than memory; validation
        images stay in memory.
      num_workers: processes that read, where it is streamed; 0: a thread.
      name: of the set; default: the folder's.
      stream_test: read test images when they are needed, too.

    Raises:
      ImportError: Pillow is not installed.
      FileNotFoundError: no such folder.
      ValueError: files without a class, fewer than two classes, sizes that differ, or a file that
        cannot be decoded; the message names it.
    """
    folder = _folder(path)
    name = name or folder.name
    check_channels(channels)
    paths, labels, classes, rows = _listed(name, folder, test_fraction, validation_fraction, seed)
    shape = _shape(name, paths, size, channels)
    files = {p: [paths[row] for row in rows[p]] for p in PARTS}
    targets = prepared_targets(
        name, {part: labels[rows[part]] for part in PARTS}, num_classes=len(classes)
    )
    streamed = ["train"] * stream + ["test"] * stream_test
    images = {part: _pixels([] if part in streamed else files[part], shape) for part in PARTS}
    loc = scale = None
    if standardize:
        fitted = None if stream else scales.all_values(images["train"])
        loc, scale = fitted or pixel_scales(name, files["train"], shape)
        images = {p: scales.standardize_in_place(x, loc, scale) for p, x in images.items()}
    sources: dict[str, Any] = {}
    for part in streamed:
        y = targets.parts[part]
        sources[f"{part}_source"] = ImageFiles(name, files[part], y, shape, loc, scale)
        targets.parts[part] = y[:0]
    preparation = ImagePreparation(shape, loc, scale)
    fields = {"input_loc": loc, "input_scale": scale, "preparation": preparation, **sources}
    return build(
        name, images, targets, rows=rows, class_names=classes, num_workers=num_workers, **fields
    )


def _folder(path: str | os.PathLike[str]) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"path must name a folder of images, got '{folder}'; correct it.")
    return folder


def _listed(
    name: str, folder: Path, test_fraction: float, validation_fraction: float, seed: int
) -> tuple[list[Path], np.ndarray, tuple[str, ...], Rows]:
    """All files, their labels, the classes, and the rows of every part."""
    own_parts = has_own_parts(name, folder)
    found: dict[str, list[tuple[str, Path]]] = (
        {"": _by_class(name, folder)}
        if not own_parts
        else {
            part: _by_class(name, folder / part) if (folder / part).is_dir() else []
            for part in PARTS
        }
    )
    everything = [pair for part in found.values() for pair in part]
    training, where = (found["train"], folder / "train") if own_parts else (everything, folder)
    classes = tuple(sorted({label for label, _ in training}))
    if len(classes) < 2:
        raise ValueError(
            f"{name}: {folder} must hold a folder of images a class, at least two, got "
            f"{', '.join(map(repr, classes)) or 'none'}; put every image into its class's folder."
        )
    places = {label: place for place, label in enumerate(classes)}
    unknown = sorted({label for label, _ in everything} - set(classes))
    if unknown:
        raise ValueError(
            f"{name}: the classes of all parts must be in {folder / 'train'}, got "
            f"{', '.join(map(repr, unknown))} elsewhere; add training images of them."
        )
    empty = sorted({inner.name for inner in class_folders(where)} - set(classes))
    if empty:
        raise ValueError(
            f"{name}: every folder of {where} must hold images, of its class, got none in "
            f"{', '.join(map(repr, empty))}; fill it, or delete it."
        )
    labels = np.array([places[label] for label, _ in everything], np.int32)
    paths = [path for _, path in everything]
    if not own_parts:
        rows = split_by_fraction(len(paths), test_fraction, validation_fraction, seed=seed)
        return paths, labels, classes, rows
    starts = np.cumsum([0, *(len(found[part]) for part in PARTS)])
    rows = {part: np.arange(*starts[i : i + 2]) for i, part in enumerate(PARTS)}
    return paths, labels, classes, rows


def _by_class(name: str, folder: Path) -> list[tuple[str, Path]]:
    loose = sorted(filter(_is_image, folder.iterdir()))
    if loose:
        raise ValueError(
            f"{name}: every image must lie in the folder of its class, got {loose[0]} "
            f"({len(loose)} such files); move them into folders."
        )
    return [
        (inner.name, path)
        for inner in class_folders(folder)
        for path in sorted(inner.rglob("*"))
        if _is_image(path)
    ]


def _is_image(path: Path) -> bool:
    """Files whose names begin with a point are other programs' own."""
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _shape(name: str, paths: list[Path], size: Any, channels: int) -> tuple[int, int, int]:
    if size is not None:
        whole = isinstance(size, (tuple, list)) and all(
            isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in size
        )
        if not whole or len(size) != 2:
            raise ValueError(f"size must be (height, width) in pixels, got {size!r}.")
        return (size[0], size[1], channels)
    first: tuple[int, int] | None = None
    for path in paths:
        height, width = image_size(path)
        if first is None:
            first = height, width
        elif (height, width) != first:
            raise ValueError(
                f"{name}: all images must have one size, {first[0]} x {first[1]} as {paths[0]}, "
                f"got {height} x {width} in {path}; give size=(height, width) to resize them."
            )
    assert first is not None  # there are two classes at least
    return (*first, channels)


def _pixels(paths: list[Path], shape: tuple[int, int, int]) -> np.ndarray:
    """Float32 in [0, 1], `[N, *shape]`, file by file into their place."""
    images = memory.empty((len(paths), *shape))
    for place, path in enumerate(paths):
        images[place] = read_image(path, shape)
        images[place] /= np.float32(255)
    return images
