"""The folder of a report: only files that it can show to be its own are touched.

A manifest beside the report lists what was written, with the hash of each file's content. A file
that the manifest does not list, or whose content is another by now, belongs to somebody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = ".bnn-report.json"
_FORMAT = 1
_BESIDE = ".bnn-report."
_REMEDY = "name a new folder with --output, or move these files away"


def check_output(output: Path) -> None:
    """Refuses a folder in which something is not of an earlier report.

    Raises:
      ValueError: it is a file, or holds something that is no report's own.
    """
    if output.is_symlink() and not output.exists():
        raise ValueError(f"output {output} is a link to nothing; name a folder.")
    if output.exists() and not output.is_dir():
        raise ValueError(f"output {output} is a file; name a folder.")
    if output.is_dir():
        _check_own(output, _read_manifest(output))


def write_output(output: Path, files: Mapping[str, bytes]) -> None:
    """Puts the report's files in the place of an earlier report's.

    The manifest is written before and after, so that a report that was killed half-way is replaced
    as its own the next time.

    Args:
      output: the folder, created.
      files: content by path below the folder, such as "figures/a.png".

    Raises:
      ValueError: as `check_output`.
    """
    check_output(output)
    output.mkdir(parents=True, exist_ok=True)
    before = _read_manifest(output)
    new = {path: [_hash(content)] for path, content in files.items()}
    both = {p: [*before.get(p, []), *new.get(p, [])] for p in {**before, **new}}
    _write(output / MANIFEST, _manifest(both))
    for path, content in files.items():
        _write(output / path, content)
    for path in sorted(set(before) - set(new)):
        (output / path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files are in it, or it is gone
            (output / path).parent.rmdir()
    _write(output / MANIFEST, _manifest(new))


def _check_own(output: Path, manifest: Mapping[str, list[str]]) -> None:
    foreign = []
    for folder, below, names in os.walk(output):
        for name in below:
            path = (Path(folder) / name).relative_to(output)
            inside = any(own.startswith(f"{path}/") for own in manifest)
            if (output / path).is_symlink() or not inside:
                foreign.append(f"{path}/")
        below[:] = [b for b in below if f"{(Path(folder) / b).relative_to(output)}/" not in foreign]
        for name in names:
            path = (Path(folder) / name).relative_to(output)
            if str(path) == MANIFEST or _is_left_over(name):
                continue
            if not _is_own(output / path, manifest.get(str(path), [])):
                foreign.append(str(path))
    if foreign:
        shown = ", ".join(sorted(foreign)[:5]) + (" …" if len(foreign) > 5 else "")
        raise ValueError(
            f"output {output} holds something else than a report, or files of one that were "
            f"changed since ({shown}); {_REMEDY}."
        )


def _is_left_over(name: str) -> bool:
    """Whether a file is what a report that was killed had begun to write; it is left alone."""
    return name.startswith(_BESIDE) and name.endswith(".tmp")


def _is_own(path: Path, hashes: list[str]) -> bool:
    return bool(hashes) and not path.is_symlink() and _hash(path.read_bytes()) in hashes


def _read_manifest(output: Path) -> dict[str, list[str]]:
    path = output / MANIFEST
    if not path.exists() and not path.is_symlink():
        return {}
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("no file")
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        files = content["files"] if content["format"] == _FORMAT else None
        assert isinstance(files, dict)
        assert all(isinstance(hashes, list) for hashes in files.values())
        assert not any(Path(p).is_absolute() or ".." in Path(p).parts for p in files)
    except (ValueError, OSError, KeyError, TypeError, AssertionError, RecursionError) as damage:
        raise ValueError(f"{path} is no list of a report's files; {_REMEDY}.") from damage
    return files


def _manifest(files: Mapping[str, list[str]]) -> bytes:
    content = {"format": _FORMAT, "files": {path: files[path] for path in sorted(files)}}
    return (json.dumps(content, indent=1) + "\n").encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Writes beside the place, in a new file whose name nobody can have foreseen, and renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{_BESIDE}{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
