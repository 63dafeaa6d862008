"""A network of this process and its children alone, which has nothing but the loopback interface.

TensorFlow's worker servers listen on all interfaces of the network that they are in, whatever
address they are given. In a network namespace of Linux (namespaces(7), network_namespaces(7)) there
is no other than loopback, so that nobody outside reaches them, and they reach nobody outside.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # <linux/sched.h>
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # <linux/sockios.h>, <net/if.h>
_REQUEST = "16sh14x"  # struct ifreq: a name, and flags


def enter_private_network() -> None:
    """Moves this process, which must have one thread, and what it starts into a network of its own.

    User and group stay as they are, and so do all files. A process that may make a network as it is
    (root) does; any other makes a user namespace for it, which is nobody's right to refuse but the
    system's.

    Raises:
      OSError: the system does not allow it, or the process has several threads; says what to do.
    """
    user, group = os.getuid(), os.getgid()
    try:
        _require_one_thread()
        try:
            _unshare(_CLONE_NEWNET)
        except PermissionError:
            _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
            # Before the map of groups, as the kernel asks: no right by a group can be dropped.
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        _raise_loopback()
    except (OSError, AttributeError) as error:
        raise OSError(
            f"--private_network needs Linux with user namespaces, but this system refuses one "
            f"({error}); leave it out, and keep others away by a firewall."
        ) from error


def _require_one_thread() -> None:
    """A namespace is a thread's: the others would stay where they are."""
    count = len(os.listdir("/proc/self/task"))
    if count > 1:
        raise OSError(f"the process has {count} threads")


def _unshare(flags: int) -> None:
    system = ctypes.CDLL(None, use_errno=True)
    if system.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack(_REQUEST, b"lo", 0)
        flags = struct.unpack(_REQUEST, fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_REQUEST, b"lo", flags | _IFF_UP))
