"""The file `packed-refs` (git-pack-refs(1); refs/packed-backend.c of Git's source).

# pack-refs with: peeled fully-peeled sorted
<id> SP <full name> LF
^<id> LF                    below an annotated tag: the object that it comes down to
"""

from __future__ import annotations

import os

from lxgit.errors import LxgitError, quoted
from lxgit.lean import contextmanager
from lxgit.objects.ids import InvalidObjectID, ObjectID, from_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class CorruptRef(LxgitError):
    """A ref's file holds no id."""


class PackedRefs:
    """The file `packed-refs`, read again when it has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._version: tuple[int, ...] | None = None
        self._refs: dict[str, ObjectID] = {}

    def read(self) -> dict[str, ObjectID]:
        """All of them, by full name; not to be changed. CorruptRef."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                version = (status.st_ino, status.st_size, status.st_mtime_ns)
                if version != self._version:
                    self._refs = dict(_packed_lines(file))
                    self._version = version
        except FileNotFoundError:
            self._refs, self._version = {}, None
        return self._refs

    @contextmanager
    def without(self, name: str) -> Iterator[Callable[[], None]]:
        """Hold the file's lock, and have the file written without that ref. CorruptRef, RefLocked.

        What is given puts that in place, durably.
        """
        from lxgit.objects.filelock import FileLock

        with FileLock(self._path, os.path.dirname(self._path)) as lock:
            if name not in self.read():
                yield _keep
                return
            with open(self._path, "rb") as file:
                lock.write(b"".join(_without(file, os.fsencode(name))))
            yield lock.commit


def _keep() -> None:
    """The file as it is."""


def _packed_lines(lines: Iterable[bytes]) -> Iterator[tuple[str, ObjectID]]:
    for line in lines:
        if line.startswith((b"#", b"^")):
            continue
        try:
            yield os.fsdecode(line[41:].rstrip(b"\n")), from_hex(line[:40])
        except InvalidObjectID:
            raise CorruptRef(
                f"packed-refs is damaged: it holds {quoted(line[:60])}",
                hint="take the line out of that file; 'lxgit reflog NAME' says what a name was",
            ) from None


def _without(lines: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """packed-refs without one ref, and without what that was peeled to."""
    dropping = False
    for line in lines:
        if not line.startswith(b"^"):
            dropping = line[41:].rstrip(b"\n") == name
        if not dropping:
            yield line
