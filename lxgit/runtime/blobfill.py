"""Blobs of the store on their way to their places in a file, by two processes.

The one that walks the image writes the headers of a tar, and leaves gaps or zeros for the contents.
Another reads the blobs, checks them and writes them there meanwhile. When the walk is done, the
first one helps with what is left.

A blob is compared with the checksums of its pack, which is a quarter less work than with its id;
with its id where it is a delta or loose, and where a checksum of the pack's does not fit.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack

from lxgit.fsutil import pwrite_all
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.helper import Helper, pump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from lxgit.objects.ids import ObjectID

    Job = tuple[ObjectID, int, int]  # the blob, its offset in the file, its size

HOLE = 1 << 16
"""Bytes: zeros in a row that become a hole."""

_ZEROS = bytes(HOLE)
_BATCH = 64  # jobs
_BATCH_BYTES = 1 << 20
_AHEAD = 16  # batches that the helper has before it
_WHOLE = 16 << 20  # bytes: larger blobs are read in chunks


class BlobFiller:
    """Fills the gaps in a file, which is made here; the other process lives as long as `with`."""

    def __init__(self, database: ObjectDatabase, file: Path) -> None:
        self._database = database
        self._file = file
        self._batch: list[Job] = []
        self._bytes = 0  # of the batch
        self._batches: deque[list[Job]] = deque()
        self._given = 0  # jobs that the helper has and has not answered
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._stack.callback(os.close, self._fd)
        apart = _Filling(ObjectDatabase(self._database.git_dir), self._fd)  # nothing is open in it
        self._helper = self._stack.enter_context(Helper(apart, keeps=(self._fd,)))
        self._here = _Filling(self._database, self._fd)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, oid: ObjectID, offset: int, size: int) -> None:
        """Have a blob of `size` bytes written at `offset`."""
        self._batch.append((oid, offset, size))
        self._bytes += size
        if len(self._batch) == _BATCH or self._bytes >= _BATCH_BYTES:
            self._end_batch()
            self._feed()

    def finish(self) -> None:
        """Return when all is written; what went wrong in the other process is raised here."""
        self._end_batch()
        self._feed()
        while self._batches:
            self._here(self._batches.pop())
            self._feed()
        while self._given:
            pump([self._helper], wait=True)
            self._take_answers()

    def _end_batch(self) -> None:
        if self._batch:
            self._batches.append(self._batch)
            self._batch, self._bytes = [], 0

    def _feed(self) -> None:
        while self._batches and self._given < _AHEAD * _BATCH:
            jobs = self._batches.popleft()
            self._given += len(jobs)
            self._helper.give(jobs)
        pump([self._helper])
        self._take_answers()

    def _take_answers(self) -> None:
        self._given -= len(self._helper.answers)
        self._helper.answers.clear()


class _Filling:
    """Writes blobs: in this process, or in the other."""

    def __init__(self, database: ObjectDatabase, fd: int) -> None:
        self._database = database
        self._fd = fd

    def __call__(self, jobs: list[Job]) -> list[None]:
        for oid, offset, _ in jobs:
            position = offset
            for chunk in self._database.intact_blob(oid, _WHOLE) or self._database.stream(oid):
                pwrite_sparse(self._fd, chunk, position)
                position += len(chunk)
        return [None] * len(jobs)


def pwrite_sparse(fd: int, data: bytes, offset: int) -> None:
    """Write at a place, but leave out long runs of zeros: the file is new, and none are there."""
    if len(data) < HOLE:
        pwrite_all(fd, data, offset)
        return
    view = memoryview(data)
    begin = 0
    for start in range(0, len(view), HOLE):
        if view[start : start + HOLE] == _ZEROS:
            if start > begin:
                pwrite_all(fd, view[begin:start], offset + begin)
            begin = start + HOLE
    if begin < len(view):
        pwrite_all(fd, view[begin:], offset + begin)
