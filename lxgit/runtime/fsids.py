"""Whom new files belong to, for root of the host who works in a container's mounts.

A mount that is mapped to a container's ids knows none for root of the host, and the kernel makes no
inode there for whom it does not know (EOVERFLOW). So its ids for access to files are set to the
container's root, as setfsuid(2) does it, with every capability kept.
"""

from __future__ import annotations

import contextlib
import os

from lxgit.runtime import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.runtime.idmap import IdMap


@contextlib.contextmanager
def making_files_for(ids: IdMap) -> Iterator[None]:
    """New inodes belong to the root of a container with this map (container id → host id)."""
    owner = ids.outside(0)
    before = kernel.prctl(kernel.PR_GET_SECUREBITS, 0)
    kernel.prctl(kernel.PR_SET_SECUREBITS, before | kernel.SECBIT_NO_SETUID_FIXUP)
    try:
        kernel.setfsgid(owner)
        kernel.setfsuid(owner)
        yield
    finally:
        kernel.setfsuid(os.geteuid())
        kernel.setfsgid(os.getegid())
        kernel.prctl(kernel.PR_SET_SECUREBITS, before)
