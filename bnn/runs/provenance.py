"""What a result has to say about the program that made it."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

_PACKAGES = ("bnn", "tensorflow", "tensorflow-probability", "keras", "numpy", "gin-config")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def git_revision() -> str:
    """The commit of the source tree, with `-dirty` where the package's files differ from it.

    `unknown` outside of git.
    """
    folder = Path(__file__).parents[1]
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        clean = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".") == ""
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit if clean else f"{commit}-dirty"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.strip()
