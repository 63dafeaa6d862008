"""Text files that are whole or not there, and paths that can be written down."""

from __future__ import annotations

import errno
import importlib.util
import os
import secrets
import unicodedata
from pathlib import Path
from typing import BinaryIO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)
_REMEDIES = {
    errno.EACCES: "get the right to use it, or name another",
    errno.EPERM: "get the right to use it, or name another",
    errno.EISDIR: "name a file",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close other programs",
}


def write_text(path: Path, text: str) -> None:
    """Writes a new file beside its place, whose name nobody can have foreseen, and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_log(path: Path) -> BinaryIO:
    """Opens a log to append to; a link in its place is refused, not followed.

    Raises:
      OSError: the place is a link, or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        raise OSError(f"the log {path} is a link to somebody else's file; remove the link.")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def in_words(error: BaseException, root: Path) -> str:
    """The message; that of the system with what to do about it.

    Args:
      error: what went wrong.
      root: the folder that --root names, or would.
    """
    if not isinstance(error, OSError) or not error.strerror or not error.filename:
        return str(error)
    place = Path(os.fsdecode(error.filename))
    remedy = _REMEDIES.get(error.errno or 0, "correct the path")
    if root == place or root in place.parents or place in root.parents:
        remedy = (
            f"{remedy}, or name another --root" if error.errno in _FULL else "name another --root"
        )
    return f"{place} cannot be used ({error.strerror}); {remedy}."


def check_text(what: str, value: str) -> str:
    """The value itself, of an option that ends up in scripts, tables and messages.

    Raises:
      ValueError: it has a line break or another control character, or is no UTF-8.
    """
    bad = [c for c in value if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if bad or not value:
        seen = ascii(value)
        why = "be no empty text" if not value else "hold no control characters, and be UTF-8"
        raise ValueError(f"{what} must {why}, got {seen}; choose another name.")
    return value


def folder(what: str, value: str | os.PathLike[str]) -> Path:
    """The folder that an option names, with `~` for the home of the user.

    Raises:
      ValueError: as `check_text`, or a home that nobody knows.
    """
    text = check_text(what, os.fspath(value))
    try:
        return Path(text).expanduser()
    except RuntimeError as unknown:
        raise ValueError(f"{what} {text!r} must name a known home ({unknown}).") from unknown


def check_gin_file(what: str, file: str) -> None:
    """Finds now a gin file that `bnn.run` would not find: it is neither there nor shipped.

    Raises:
      FileNotFoundError: it is at neither place.
    """
    path = Path(file)
    inside = Path(*path.parts[1:]) if path.parts[:1] == ("gin_configs",) else path
    spec = importlib.util.find_spec("bnn")  # does not import it
    shipped = Path(spec.origin).parent / "gin_configs" if spec and spec.origin else None
    outside = path.is_absolute() or ".." in inside.parts or shipped is None
    if path.is_file() or (not outside and shipped is not None and (shipped / inside).is_file()):
        return
    raise FileNotFoundError(
        f"{what} does not exist; the shipped files are in gin_configs/, name one that is there."
    )
