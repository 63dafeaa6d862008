"""A strict reader of white-space separated numbers in text files."""

from pathlib import Path

import numpy as np


def read_matrix(path: Path, *, remedy: str) -> np.ndarray:
    """Returns the numbers of a text file, float64 `[rows, columns]`; blank lines are skipped.

    Args:
      path: the file.
      remedy: what the reader of an error should do; ends every message.

    Raises:
      FileNotFoundError: no such file.
      ValueError: not text, empty, a value that is no finite number, or a line with another number
        of values than the first; the message names the file, the line and what was seen.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {remedy}.")
    rows: list[list[float]] = []
    first = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                row = [_number(token, f"{path}, line {number}", remedy) for token in line.split()]
                if rows and row and len(row) != len(rows[0]):
                    raise ValueError(
                        f"{path}, line {number}: ragged: expected {len(rows[0])} values as in "
                        f"line {first}, got {len(row)}; {remedy}."
                    )
                if row:
                    first = first or number
                    rows.append(row)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text file, got bytes ({error}); {remedy}.") from error
    if not rows:
        raise ValueError(f"{path}: expected numbers, got an empty file; {remedy}.")
    return np.array(rows)


def read_integers(path: Path, *, remedy: str) -> np.ndarray:
    """Returns the whole numbers of a text file, int64 `[N]`, whatever its lines.

    Args:
      path: the file.
      remedy: what the reader of an error should do; ends every message.

    Raises:
      FileNotFoundError: no such file.
      ValueError: as for `read_matrix`, and a number that is not whole.
    """
    values = read_matrix(path, remedy=remedy).ravel()
    fractional = values != np.floor(values)
    if fractional.any():
        raise ValueError(f"{path}: expected whole numbers, got {values[fractional][0]}; {remedy}.")
    return values.astype(np.int64)


def _number(token: str, place: str, remedy: str) -> float:
    try:
        value = float(token)
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or "_" in token:
        raise ValueError(f"{place}: expected a finite number, got {token[:40]!r}; {remedy}.")
    return value
