"""Samples of predictions that are too large for one file in memory: arrays on the disk, by parts.

`predictions/test/` holds `log_probs.npy`, or `loc.npy` and `scale.npy`, `[S, B, …]`, written block
by block, and `manifest.json`, which is written last: without it the arrays are not complete.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bnn.training import write_json

MANIFEST = "manifest.json"
_FORMAT = 1
_ARRAYS = ("log_probs.npy", "loc.npy", "scale.npy")
# Of all samples of a test part: 32 samples of the ten classes of 800,000 examples in float32.
MOST_BYTES = 2**30


class PredictionParts:
    """Writes the samples of blocks of examples where they belong in arrays of all examples.

    Plain writes rather than a memory map, whose pages would count as the process's memory.

    Args:
      folder: of the arrays; older ones are deleted, and nothing else that is there.
      most_bytes: more samples than this are not kept at all.

    Raises:
      ValueError: the folder is a link or a file, or has a manifest of something else.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._most = folder, most_bytes
        self._arrays: dict[str, tuple[tuple[int, ...], int]] = {}  # shape, offset of the values
        self._begun = False
        _clear(folder)

    def add(self, first: int, number: int, samples: Mapping[str, np.ndarray]) -> None:
        """Writes a block.

        Args:
          first: place of its first example.
          number: B, of all blocks.
          samples: by name `[S, b, …]`.
        """
        if not self._begun:
            self._begin(number, samples)
        for name, (shape, offset) in self._arrays.items():
            block = np.ascontiguousarray(samples[name], np.float32)
            row = 4 * int(np.prod(shape[2:]))
            with (self.folder / f"{name}.npy").open("r+b") as file:
                for number_of_sample, values in enumerate(block):
                    file.seek(offset + (number_of_sample * shape[1] + first) * row)
                    file.write(values.data)

    def finish(self) -> None:
        """Writes the manifest, where something was added."""
        if self._arrays:
            arrays = {name: list(shape) for name, (shape, _) in self._arrays.items()}
            about = {"format": _FORMAT, "dtype": "float32", "arrays": arrays}
            write_json(self.folder / MANIFEST, about)

    def _begin(self, number: int, samples: Mapping[str, np.ndarray]) -> None:
        self._begun = True
        shapes = {name: (len(a), number, *a.shape[2:]) for name, a in samples.items()}
        if sum(4 * int(np.prod(shape)) for shape in shapes.values()) > self._most:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        for name, shape in shapes.items():
            with open(os.open(self.folder / f"{name}.npy", flags, 0o666), "wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                self._arrays[name] = shape, file.tell()
                file.truncate(file.tell() + 4 * int(np.prod(shape)))


def _clear(folder: Path) -> None:
    """Takes away what an earlier evaluation has left."""
    manifest = folder / MANIFEST
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        fault = "is a link or a file"
    elif os.path.lexists(manifest) and not _is_own(manifest):
        fault = f"has a {MANIFEST} of something else"
    else:
        for name in (MANIFEST, *_ARRAYS):  # without the first the others are not complete
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there is none, or what others have put there
            folder.rmdir()
        return
    raise ValueError(
        f"{folder} must be a folder of the run's own, but {fault}; move it away and start the "
        "command again."
    )


def _is_own(manifest: Path) -> bool:
    try:
        about = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        not manifest.is_symlink() and isinstance(about, dict) and {"format", "arrays"} <= {*about}
    )


def load_parts(folder: str | Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a folder of `PredictionParts`, memory-mapped, by name.

    Raises:
      FileNotFoundError: no manifest: there are none, or they are not complete.
      ValueError: a manifest or array that is damaged.
    """
    folder = Path(folder)
    remedy = "run the experiment again in a new folder to have it written anew"
    try:
        about: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']!r}")
        arrays = {}
        for name, shape in about["arrays"].items():
            if Path(name).name != name:
                raise ValueError(f"array {name!r} outside of the folder")
            found = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if list(found.shape) != shape or found.dtype != np.float32:
                raise ValueError(f"{name} of shape {found.shape}, type {found.dtype}")
            arrays[name] = found
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as damage:
        raise ValueError(
            f"{folder} holds no readable parts of predictions ({damage}); {remedy}."
        ) from damage
    return arrays
