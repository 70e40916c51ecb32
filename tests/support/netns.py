"""Networks of the tests' own: none of them touches the host's, and each can have what it likes.

A process keeps its namespace through fork and exec, so all that a test starts is in the test's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

from lxgit.runtime import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def fresh() -> Iterator[None]:
    """Be in a new network namespace meanwhile, which has loopback alone."""
    with _back():
        kernel.unshare(kernel.CLONE_NEWNET)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Be in the host's network meanwhile: to fetch something, and for nothing else."""
    if os.geteuid() != 0:
        yield
        return
    with _back():
        kernel.setns(_HOST, kernel.CLONE_NEWNET)
        yield


@contextlib.contextmanager
def inside(pid: int) -> Iterator[None]:
    """Be in the network namespace of a process meanwhile."""
    with _back(), open(f"/proc/{pid}/ns/net", "rb") as namespace:
        kernel.setns(namespace.fileno(), kernel.CLONE_NEWNET)
        yield


@contextlib.contextmanager
def _back() -> Iterator[None]:
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        kernel.setns(own, kernel.CLONE_NEWNET)
        os.close(own)
