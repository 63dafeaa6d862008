"""What a group of workers agrees on: addresses, TF_CONFIG, each worker's share of the GPUs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nothing listens on: all different, free just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:  # all are held until the last one is chosen
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def tf_config(addresses: Sequence[str], index: int) -> str:
    """The TF_CONFIG of worker `index` among the workers at `addresses`, each `host:port`.

    Worker 0 is the chief: TensorFlow takes the first worker where the cluster names none.
    """
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def check_addresses(addresses: Sequence[str]) -> None:
    """Refuses addresses at which nothing can listen.

    Args:
      addresses: the `host:port` of every worker.

    Raises:
      ValueError: a port out of range, or an address that two workers share.
    """
    for index, address in enumerate(addresses):
        host, separator, port = address.rpartition(":")
        if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(
                f"worker {index} must have an address host:port with a port from 1 to 65535, got "
                f"{address!r}; give a smaller --port."
            )
        if address in addresses[:index]:
            raise ValueError(
                f"workers {addresses.index(address)} and {index} share the address {address}; give "
                "each a port of its own."
            )


def check_hosts(addresses: Sequence[str]) -> None:
    """Refuses a group one of whose workers nobody can reach, before the others wait for it.

    Raises:
      ValueError: a host is known to have no address; where that is not known now, all is well.
    """
    hosts = [address.rpartition(":")[0] for address in addresses]
    for host in dict.fromkeys(hosts):
        try:
            socket.getaddrinfo(host.strip("[]"), None)
        except (socket.gaierror, UnicodeError) as unknown:
            if unknown.args[0] == socket.EAI_AGAIN:
                continue
            raise ValueError(
                f"worker {hosts.index(host)} is to run on {host!r}, which has no address from here "
                f"({unknown}); correct the name, or have it resolved on every node."
            ) from unknown


def listens(address: str, timeout: float = 0.5) -> bool:
    """Whether something accepts connections at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout):
            return True
    except OSError:
        return False


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs of this machine that may be used: CUDA_VISIBLE_DEVICES, else what nvidia-smi says.

    An empty list where there is neither.
    """
    if "CUDA_VISIBLE_DEVICES" in environment:
        devices = [each.strip() for each in environment["CUDA_VISIBLE_DEVICES"].split(",")]
        return [each for each in devices if each and each != "-1"]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    count = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    return [str(index) for index in range(count)]


def gpu_share(gpus: Sequence[str], per_worker: int, index: int) -> str:
    """CUDA_VISIBLE_DEVICES of worker `index` with `per_worker` GPUs; "-1" hides all of them.

    Raises:
      ValueError: there are not enough GPUs.
    """
    if per_worker == 0:
        return "-1"
    if (index + 1) * per_worker > len(gpus):
        raise ValueError(
            f"worker {index} needs GPUs {index * per_worker} to {(index + 1) * per_worker - 1}, "
            f"but only {len(gpus)} can be seen here ({','.join(gpus) or 'none'}); start fewer "
            "workers or give each fewer GPUs."
        )
    return ",".join(gpus[index * per_worker : (index + 1) * per_worker])
