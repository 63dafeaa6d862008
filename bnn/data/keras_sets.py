"""The data sets of `keras.datasets`, from their cached files; nothing is downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np

from bnn.data import arguments
from bnn.data.assemble import classification_dataset, regression_dataset
from bnn.data.build import build
from bnn.data.dataset import Dataset
from bnn.data.preparation import ArrayPreparation
from bnn.data.splits import PARTS, split_by_fraction
from bnn.data.targets import prepared_targets

# Name: cached file or folder below keras.config's home, and the number of classes; None: values.
_SETS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "mnist": (("mnist.npz",), 10),
    "fashion_mnist": (
        tuple(
            f"fashion-mnist/{part}-{kind}-ubyte.gz"
            for part in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
        ),
        10,
    ),
    "cifar10": (("cifar-10-batches-py",), 10),
    "cifar100": (("cifar-100-python",), 100),
    "imdb": (("imdb.npz",), 2),
    "reuters": (("reuters.npz",), 46),
    "california_housing": (("california_housing.npz",), None),
}
_TEXTS = ("imdb", "reuters")


@gin.register(module="bnn.data")
def keras_set(
    name: str,
    validation_fraction: float = 0.0,
    seed: int = 0,
    flatten: bool = False,
    standardize: bool = False,
    max_tokens: int = 20_000,
    length: int = 256,
) -> Dataset:
    """Returns a set of `keras.datasets`: images in [0, 1], token numbers, or features.

    Keras must have it in its cache already (`~/.keras/datasets`, or below `KERAS_HOME`): a run
    must not wait for a network.

    Args:
      name: mnist, fashion_mnist, cifar10, cifar100, imdb, reuters or california_housing.
      validation_fraction: share of the training examples that becomes the validation part.
      seed: seed of that choice.
      flatten: give images as `[N, values]`.
      standardize: images as for `bnn.data.mnist`; features always are.
      max_tokens: of texts: rarer words become one number.
      length: of texts in tokens; longer ones lose their start, shorter ones begin with 0.

    Raises:
      ValueError: an unknown name, or an argument out of range.
      FileNotFoundError: not in the cache; the message says what to call and where the file goes.
    """
    if name not in _SETS:
        raise ValueError(f"name must be one of {', '.join(_SETS)}, got {name!r}.")
    files, num_classes = _SETS[name]
    _check_cached(name, files)
    module = getattr(keras.datasets, name)
    if name in _TEXTS:
        return _texts(name, module, num_classes, validation_fraction, seed, max_tokens, length)
    (x, y), (x_test, y_test) = _load(name, module)
    if num_classes is None:
        train, test = (x, y[:, np.newaxis]), (x_test, y_test[:, np.newaxis])
        return regression_dataset(
            name, train, test, validation_fraction=validation_fraction, seed=seed
        )
    x, x_test = (a[..., np.newaxis] if a.ndim == 3 else a for a in (x, x_test))
    return classification_dataset(
        name,
        (x, y.ravel()),
        (x_test, y_test.ravel()),
        num_classes=num_classes,
        validation_fraction=validation_fraction,
        seed=seed,
        flatten=flatten,
        standardize=standardize,
        divisor=255,
    )


def _cache() -> Path:
    """Where Keras keeps sets; its own rule (`keras.utils.get_file`)."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path("~/.keras").expanduser()) / "datasets"


def _check_cached(name: str, files: tuple[str, ...]) -> None:
    # Keras asks the network without a limit in time: look first.
    for file in files:
        path = _cache() / file
        extracted = path.parent / f"{path.name}_extracted" / path.name
        if not path.exists() and not extracted.exists():
            raise FileNotFoundError(
                f"{name}: not in Keras's cache, {path} does not exist; call "
                f"keras.datasets.{name}.load_data() once where there is a network, and copy the "
                f"file or folder to that place."
            )


def _load(name: str, module: Any, **options: Any) -> Any:
    try:
        return module.load_data(**options)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ValueError(
            f"{name}: Keras cannot read its cached file in {_cache()} ({reason}); delete it, and "
            f"call keras.datasets.{name}.load_data() where there is a network."
        ) from error


def _texts(
    name: str,
    module: Any,
    num_classes: int | None,
    validation_fraction: float,
    seed: int,
    max_tokens: int,
    length: int,
) -> Dataset:
    arguments.check_integer("max_tokens", max_tokens, 4, 2**31, "20_000 are usual")
    arguments.check_integer("length", length, 1, 2**16, "256 tokens are a good start")
    (x, y), (x_test, y_test) = _load(name, module, num_words=max_tokens, seed=113)
    padded, padded_test = (keras.utils.pad_sequences(a, length) for a in (x, x_test))
    split = split_by_fraction(len(padded), 0.0, validation_fraction, seed=seed)
    inputs = {part: padded[split[part]] for part in ("train", "valid")} | {"test": padded_test}
    labels = {part: y[split[part]] for part in ("train", "valid")} | {"test": y_test}
    rows = {**split, "test": np.arange(len(y), len(y) + len(y_test))}
    return build(
        name,
        {part: inputs[part].astype(np.int32) for part in PARTS},
        prepared_targets(name, labels, num_classes),
        rows=rows,
        preparation=ArrayPreparation((length,), integer=True),
    )
