"""Folders with a folder a class, and parts of their own: what image and text folders share."""

from __future__ import annotations

from pathlib import Path

from bnn.data.splits import PARTS

# What other programs call a validation part.
_OTHER_NAMES = frozenset({"val", "validation", "dev", "eval", "training", "testing"})


def class_folders(folder: Path) -> list[Path]:
    """Returns the folders in a folder, sorted, without those whose names begin with a point."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def has_own_parts(name: str, folder: Path) -> bool:
    """Returns whether a folder holds `train` and `test` in place of classes.

    Raises:
      ValueError: one without the other, or a part under a name that is not known: as classes, or
        left aside, they would train without a word.
    """
    names = [inner.name for inner in class_folders(folder)]
    like_parts = [one for one in names if one in PARTS or one.lower() in _OTHER_NAMES]
    if not like_parts or (set(names) - set(like_parts) and not {"train", "test"} <= set(names)):
        return False
    if not {"train", "test"} <= set(names) or not set(like_parts) <= set(PARTS):
        raise ValueError(
            f"{name}: {folder} must hold train and test, and valid where there is one, or a folder "
            f"a class, got {', '.join(map(repr, like_parts))}; rename or complete them."
        )
    return True
