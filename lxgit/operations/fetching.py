"""The files behind the addresses that ADD and `insert` name."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager

from lxgit.errors import UsageError
from lxgit.objects.content import Slice
from lxgit.objects.filetree import Node
from lxgit.objects.metadata import Kind, Metadata
from lxgit.operations.download import downloaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lxgit.progress import Progress
    from lxgit.repository import Repository

_CHECKSUM = re.compile(r"sha256:([0-9a-fA-F]{64})")
_MODE = 0o600
"""What Docker gives a file that it fetches."""


@contextmanager
def fetched(
    repository: Repository,
    addresses: Iterable[str],
    *,
    checksum: str = "",
    proxies: Mapping[str, str],
    progress: Progress,
) -> Iterator[dict[str, Node]]:
    """Fetch what is at each address; the files are there while the context lasts.

    `checksum` is `sha256:` and 64 hexadecimal digits, for a single address. UsageError; errors of
    `downloaded`.
    """
    wanted = sorted(set(addresses))  # one order of their locks: nobody waits in a circle
    sha256 = _sha256(checksum, len(wanted)) if checksum else None
    with ExitStack() as stack:
        nodes = {}
        for address in wanted:
            path = stack.enter_context(
                downloaded(repository, address, sha256=sha256, proxies=proxies, progress=progress)
            )
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            nodes[address] = _node(fd)
        yield nodes


def _sha256(checksum: str, count: int) -> str:
    match = _CHECKSUM.fullmatch(checksum)
    if match is None:
        raise UsageError(f"'{checksum}' is no checksum", hint="sha256: and 64 hexadecimal digits")
    if count != 1:
        raise UsageError(
            "a checksum is that of one address", hint="an ADD for each source, each with its own"
        )
    return match[1]


def _node(fd: int) -> Node:
    status = os.fstat(fd)
    metadata = Metadata(_MODE, 0, 0, status.st_mtime_ns)
    return Node(Kind.FILE, metadata, content=Slice(fd, 0, status.st_size))
