"""The other workers of a group: whether their addresses can be right, and whether they listen."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|\[::1\]|localhost")
_PAUSE = 0.5  # seconds between two looks
_PATIENCE = 1.0  # for one answer


def check_addresses(addresses: Sequence[str]) -> None:
    """Raises ValueError for what cannot be the addresses of a group: `host:port`, all different."""
    for number, address in enumerate(addresses):
        found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise ValueError(
                f"TF_CONFIG must give every worker an address host:port with a port from 1 to "
                f"65535, got {address!r} for worker {number}; correct it, or start the workers "
                "with a launcher, which writes it."
            )
        if address in addresses[:number]:
            raise ValueError(
                f"TF_CONFIG must give every worker an address of its own, got {address!r} for "
                f"worker {addresses.index(address)} and worker {number}; give each a free port."
            )


def meet(addresses: Sequence[str], index: int, seconds: float) -> None:
    """Waits until every other worker is there, so that TensorFlow need not wait for ever.

    TensorFlow waits inside of its own code, where no signal and no other thread gets its turn. So
    this worker listens at its port before TensorFlow's server does, until it has seen that each of
    the others listens: here, or by its server.

    Args:
      addresses: of all workers.
      index: number of this worker.
      seconds: in which every worker must listen once; 0: nobody is waited for.

    Raises:
      ValueError: nothing can listen at this worker's own port.
      TimeoutError: some worker was never seen; names it. Nothing has been claimed or written.
    """
    if not seconds or len(addresses) == 1:
        return
    host, _, port = addresses[index].rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        server = socket.create_server((_interface(addresses, host), int(port)), family=family)
    except OSError as error:
        raise ValueError(
            f"worker {index} of TF_CONFIG must listen at port {port} of this machine, but cannot "
            f"({error.strerror or error}); give it a free port."
        ) from error
    with server:
        absent = _missing(addresses, index, seconds)
    if absent:
        who = ", ".join(f"worker {number} ({addresses[number]})" for number in absent)
        raise TimeoutError(
            f"{who} of TF_CONFIG must listen within {seconds:g} s of the start of worker {index}, "
            "but was never seen to; start all workers, correct the addresses, or raise "
            "MultiWorker.start_timeout."
        )


def _interface(addresses: Sequence[str], host: str) -> str:
    """Where to listen: at loopback where all workers are there, else at all interfaces.

    A name of this machine may mean another address here than it means to the others.
    """
    hosts = {address.rpartition(":")[0] for address in addresses}
    return host.strip("[]") if all(_LOOPBACK.fullmatch(each) for each in hosts) else ""


def _missing(addresses: Sequence[str], index: int, seconds: float) -> list[int]:
    """Numbers of the other workers that were not seen to listen."""
    end = time.monotonic() + seconds
    awaited = [number for number in range(len(addresses)) if number != index]
    while awaited := [number for number in awaited if not _listens(addresses[number])]:
        if time.monotonic() > end:
            break
        time.sleep(_PAUSE)
    return awaited


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True
