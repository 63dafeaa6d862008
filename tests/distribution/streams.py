"""A run on images in files, read and cropped by worker processes: what kills and workers meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

NUM_WORKERS = 2


def write_digits(folder: Path) -> None:
    """Scikit-learn's digits as bytes in `.npy` files, `x_train` … `[N, 8, 8, 1]`."""
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int32)
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", slice(1437)), ("test", slice(1437, None))):
        np.save(folder / f"x_{part}.npy", images[rows])
        np.save(folder / f"y_{part}.npy", labels[rows])


def streamed(folder: Path, num_workers: int = NUM_WORKERS) -> list[str]:
    """Flags of a run on these files: streamed, cropped and cut out, read by worker processes."""
    bindings = [
        "run.data = @augmented()",
        "augmented.data = @arrays()",
        f"arrays.path = '{folder}'",
        "arrays.stream = True",
        "arrays.stream_test = True",
        "augmented.maps = [@Crop(), @Cutout()]",
        "Crop.padding = 1",
        "Cutout.size = 2",
        f"augmented.num_workers = {num_workers}",
    ]
    return [f"--gin_bindings={binding}" for binding in bindings]
