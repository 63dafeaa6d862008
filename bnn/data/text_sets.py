"""Texts and their classes, from folders or a CSV file."""

from __future__ import annotations

import os
from pathlib import Path

import gin
import numpy as np

from bnn.data import arguments
from bnn.data.build import build
from bnn.data.class_folders import class_folders, has_own_parts
from bnn.data.columns.base import missing
from bnn.data.columns.categorical import as_category
from bnn.data.dataset import Dataset
from bnn.data.preparation import TextPreparation
from bnn.data.splits import PARTS, Rows, split_by_fraction
from bnn.data.table_files import read_table
from bnn.data.targets import prepared_targets

Labelled = list[tuple[str, str]]


@gin.register(module="bnn.data")
def text_classification(
    path: str | os.PathLike[str],
    text: str = "text",
    label: str = "label",
    max_tokens: int = 20_000,
    length: int = 256,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
    name: str | None = None,
) -> Dataset:
    """Returns texts as token numbers, int32 `[N, length]`, 0 where a text has ended.

    The vocabulary is the training part's (`keras.layers.TextVectorization` with its defaults: lower
    case, without punctuation, split at white space; 1 is an unknown token), and part of the
    scaling. The first layer of a model is an embedding of `preparation.num_tokens`.

    Args:
      path: a CSV file (needs `bnn[tables]`); or a folder `path/good/1.txt`, split by fractions, or
        `path/train/good/1.txt` and `path/test/good/2.txt` (and `path/valid/…`), parts of their own.
      text: column of the texts in a CSV file.
      label: column of the classes.
      max_tokens: most different numbers, 0 and 1 included.
      length: tokens a text; longer ones are cut.
      test_fraction: share that becomes the test part, where no folder does.
      validation_fraction: share of the training texts that becomes the validation part, likewise.
      seed: seed of both choices.
      name: of the set; default: the file's.

    Raises:
      FileNotFoundError: no such file or folder.
      ValueError: texts without a class, fewer than two classes, missing or undecodable texts.
    """
    place = Path(path).expanduser()
    name = name or place.stem
    arguments.check_integer("max_tokens", max_tokens, 3, 2**31, "20_000 are usual")
    arguments.check_integer("length", length, 1, 2**16, "256 tokens are a good start")
    if place.is_dir():
        found, rows = _folder(name, place)
    else:
        found, rows = _table(name, place, text, label), None
    if rows is None:
        rows = split_by_fraction(len(found), test_fraction, validation_fraction, seed=seed)
    classes = tuple(sorted({found[row][0] for row in rows["train"]}))
    if len(classes) < 2:
        raise ValueError(
            f"{name}: the training part must have texts of two classes at least, got "
            f"{', '.join(map(repr, classes)) or 'none'}; correct {place}."
        )
    unknown = [row for row, (own, _) in enumerate(found) if own not in classes]
    if unknown:
        raise ValueError(
            f"{name}: all labels must be classes of the training part, "
            f"{', '.join(map(repr, classes))}, got {found[unknown[0]][0]!r} in row {unknown[0]} "
            f"({len(unknown)} such rows); add training texts of this class."
        )
    texts = [words for _, words in found]
    preparation = TextPreparation.fit([texts[row] for row in rows["train"]], max_tokens, length)
    numbers = np.array([classes.index(own) for own, _ in found], np.int32)
    return build(
        name,
        {part: preparation.prepare(name, [texts[row] for row in rows[part]]) for part in PARTS},
        prepared_targets(name, {p: numbers[rows[p]] for p in PARTS}, num_classes=len(classes)),
        rows=rows,
        class_names=classes,
        preparation=preparation,
    )


def _table(name: str, path: Path, text: str, label: str) -> Labelled:
    table = read_table(path)
    for argument, column in (("text", text), ("label", label)):
        if column not in table:
            raise ValueError(
                f"{name}: {argument} must name a column, got {column!r}; {path.name} has "
                f"{', '.join(map(repr, table))}."
            )
        absent = missing(table[column])
        if absent.any():
            raise ValueError(
                f"{name}: column {column!r} must have no missing values, got one in row "
                f"{int(np.argmax(absent))} ({int(absent.sum())} such rows); drop these rows."
            )
    pairs = zip(table[label], table[text], strict=True)
    return [(as_category(own), str(words)) for own, words in pairs]


def _folder(name: str, folder: Path) -> tuple[Labelled, Rows | None]:
    if not has_own_parts(name, folder):
        return _by_class(name, folder), None
    found = {p: _by_class(name, folder / p) if (folder / p).is_dir() else [] for p in PARTS}
    starts = np.cumsum([0, *(len(found[part]) for part in PARTS)])
    rows = {part: np.arange(*starts[i : i + 2]) for i, part in enumerate(PARTS)}
    return [pair for part in PARTS for pair in found[part]], rows


def _by_class(name: str, folder: Path) -> Labelled:
    loose = sorted(folder.glob("*.txt"))
    if loose:
        raise ValueError(
            f"{name}: every text must lie in the folder of its class, got {loose[0]} "
            f"({len(loose)} such files); move them into folders."
        )
    found = []
    for path in [text for inner in class_folders(folder) for text in sorted(inner.glob("*.txt"))]:
        try:
            found.append((path.parent.name, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: must be text in UTF-8, got bytes that are none ({error}); convert it."
            ) from error
    return found
