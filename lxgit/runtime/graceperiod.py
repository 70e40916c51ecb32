"""What the kernel waits for before a process changes its control group, begun ahead of time.

Whoever writes to a `cgroup.procs` keeps all processes from forking and ending meanwhile, by a lock
that costs those nearly nothing: so the writer has to wait until every processor has noticed, a
grace period of RCU, 8 to 16 ms at 250 Hz. Another writer soon after that need not wait again
(percpu_down_write and rcu_sync in the kernel; cgroup-v2.rst, "favordynmods", tells of the price of
doing without). LXC writes there once it has got ready, and that takes as long: so it had better
find that somebody has written before.
"""

from __future__ import annotations

import _thread  # threading takes 1 ms to load
import os

from lxgit.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TOPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")  # the latter where version 1 is there too


@contextmanager
def begun() -> Iterator[None]:
    """Have a grace period begin, while the caller goes on to have LXC started.

    A thread moves this process into the control group that it is in already; nothing happens where
    that is forbidden, as to an ordinary user.
    """
    ended = _thread.allocate_lock()
    ended.acquire()
    _thread.start_new_thread(_move, (ended,))
    try:
        yield
    finally:
        ended.acquire()  # it has, when LXC has: a process with one thread can be forked


def _move(ended: _thread.LockType) -> None:
    try:
        with suppress(OSError, StopIteration):
            fd = os.open(f"{_own_group()}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"0")  # the writer itself
            finally:
                os.close(fd)
    finally:
        ended.release()


def _own_group() -> str:
    """The control group of this process in version 2. StopIteration where that is not there."""
    top = next(top for top in _TOPS if os.path.exists(f"{top}/cgroup.controllers"))
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as stream:
        return top + next(line[3:].rstrip("\n") for line in stream if line.startswith("0::"))
