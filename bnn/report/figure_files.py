"""What the files of a report's figures are called."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

# Characters of a figure's file name, far below what file systems take.
_LONGEST_FILE = 100


def slug(*words: str) -> str:
    """A file name of the words, without a suffix."""
    return "_".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words)


def figure_file(folder: Path, *words: str) -> str:
    """A file name of the words that no other figure in the folder has, and that any disk takes."""
    stem = slug(*words)
    if len(stem) > _LONGEST_FILE or not all(slug(word) for word in words):
        digest = hashlib.sha256(repr(words).encode("utf-8", "replace")).hexdigest()[:8]
        stem = f"{stem[:_LONGEST_FILE]}_{digest}"
    names = [f"{stem}.png", *(f"{stem}-{i}.png" for i in range(2, 1000))]
    return next(name for name in names if not (folder / name).exists())
