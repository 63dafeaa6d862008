"""How many workers this machine can hold at a time."""

from __future__ import annotations

import resource
from pathlib import Path

# Resident memory of a process of TensorFlow that has built a small model: 0.5 to 0.7 GB.
_WORKER_BYTES = 600 * 2**20
# Of each worker in the launcher: two pipes, and a socket while ports are chosen.
_FILES, _RESERVE = 3, 64
_MEMORY = Path("/proc/meminfo")
# Limits of the memory of this process's container, and what it uses.
_CONTAINERS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def check_workers(count: int) -> None:
    """Refuses more workers than memory or open files allow, before the first one starts.

    Raises:
      ValueError: with the number that would fit.
    """
    free = free_memory()
    limits = []
    if free is not None:
        limits.append((free // _WORKER_BYTES, f"{free / 2**30:.1f} GB of free memory, 0.6 GB each"))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY:
        limits.append(((files - _RESERVE) // _FILES, f"{files} open files, {_FILES} each"))
    most, why = min(limits, default=(count, ""))
    most = max(most, 1)
    if count > most:
        raise ValueError(
            f"--workers={count} does not fit on this machine; at most {most} would ({why}). Start "
            "fewer, or use more nodes with launch.slurm."
        )


def free_memory() -> int | None:
    """Bytes that new processes may take here; None where nothing tells."""
    found = []
    for line in _text(_MEMORY).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            found.append(1024 * int(rest.split()[0]))
    for limit, used in _CONTAINERS:
        most, now = _text(limit).strip(), _text(used).strip()
        if most.isdecimal() and now.isdecimal():
            found.append(max(0, int(most) - int(now)))
    return min(found, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
