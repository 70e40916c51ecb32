"""What a process asks of the kernel for itself: whose end ends it, what it leaves open."""

from __future__ import annotations

import os

from lxgit.lean import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ctypes import CDLL


@cache
def libc() -> CDLL:
    """The C library, for what Python has no function for."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def close_all_but(keep: Iterable[int]) -> None:
    """Close every open file of this process but those: also one above a limit set since."""
    first = 0
    for fd in sorted(keep):
        if fd > first:  # an empty range would be every one: its last is -1
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 2**31 - 1)


_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process, a child just forked, when its parent dies.

    `parent` is that one's process id: it may have died already, of which the kernel tells nothing.
    """
    import ctypes
    import signal

    libc().prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def boot_time() -> float:
    """When the machine was started, in seconds since 1970 (proc_stat(5), btime)."""
    with open("/proc/stat", "rb") as file:
        return next(float(line.split()[1]) for line in file if line.startswith(b"btime "))
