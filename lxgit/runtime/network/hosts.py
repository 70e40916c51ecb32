"""/etc/hosts of a container: itself, what it was given, and who else is on its bridge.

The last part changes while it runs. The file is the container's own, mounted there, so it keeps its
inode, and what the container has written to it besides stays.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.runtime.network.records import Bridge, Member

_BEGIN = b"# containers on this bridge, kept up to date by lxgit\n"
_END = b"# end of containers\n"


def of_members(bridge: Bridge, members: Iterable[Member]) -> bytes:
    """The lines for all who are on a bridge."""
    lines = []
    for member in members:
        addresses = (bridge.address(member.number), bridge.address_v6(member.number))
        lines += [f"{address}\t{' '.join(member.names)}\n" for address in addresses if address]
    return "".join(lines).encode()


def with_members(content: bytes, lines: bytes) -> bytes:
    """A hosts file with these lines in the place of those before, or at its end."""
    before, begin, rest = content.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if begin and end:
        return before + _BEGIN + lines + _END + after
    ended = content if content.endswith(b"\n") or not content else content + b"\n"
    return ended + _BEGIN + lines + _END


def update(fd: int, lines: bytes) -> None:
    """Put the lines into an open hosts file; a reader meanwhile sees the old or the new ones."""
    content = with_members(os.pread(fd, os.fstat(fd).st_size, 0), lines)
    os.pwrite(fd, content, 0)
    os.ftruncate(fd, len(content))
