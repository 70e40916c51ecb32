"""The bytes of an archive: plain or compressed, a file or a pipe, read once and kept at hand.

A plain archive in a regular file is read where it is. Anything else passes through its decompressor
into an unlinked temporary file, so that every member's content has an offset to be read from later.
The decompressors are the system's programs: they run beside us, on the other core.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol

from lxgit.errors import LxgitError
from lxgit.fsutil import write_all
from lxgit.objects.limits import free_space, no_room

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_MAX_BEHIND = 64 << 20  # bytes behind the end of an archive: tar fills up its last record
_PROGRAMS = {  # by their magic numbers: what unpacks it, and the Debian package that has it
    b"\x1f\x8b": ("gzip -dc", "gzip"),
    b"BZh": ("bzip2 -dc", "bzip2"),
    # Its header says how much memory it wants, up to 4 GiB; the largest preset wants 64 MiB.
    b"\xfd7zXZ\0": ("xz -dc --memlimit-decompress=512MiB", "xz-utils"),
    b"\x28\xb5\x2f\xfd": ("zstd -dc", "zstd"),
}
_PATH = "/usr/local/bin:/usr/bin:/bin"


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins so is compressed in a way that can be undone."""
    return head.startswith(tuple(_PROGRAMS))


class InvalidArchive(LxgitError):
    """An archive that is damaged, cut short, or holds what no root filesystem can."""


class MissingProgram(LxgitError):
    """The machine lacks a program that the work needs."""


class Readable(Protocol):
    """What gives the next bytes, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


class ArchiveFile:
    """The archive's bytes by offset; what has come through a pipe once is kept at `fd`."""

    def __init__(self, fd: int, stream: Readable | None = None) -> None:
        """`fd` is the whole archive, or the temporary file that `stream` is copied to."""
        self.fd = fd
        self._stream = stream
        self._filled = 0 if stream else os.fstat(fd).st_size
        # What comes through a pipe is needed once more, in the store; headers make up for what
        # shrinks there.
        self._room = free_space(fd) // 2 if stream else 0

    def holds(self, end: int) -> bool:
        """Whether the archive has `end` bytes; reads as far where it comes through a pipe."""
        while self._stream is not None and self._filled < end:
            chunk = self._stream.read(_CHUNK)
            if not chunk:
                self._stream = None
                break
            if self._filled + len(chunk) > self._room:
                raise no_room(self._room)
            write_all(self.fd, chunk)
            self._filled += len(chunk)
        return end <= self._filled

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, or what there is of them: headers, never contents."""
        self.holds(offset + size)
        return os.pread(self.fd, size, offset) if offset < self._filled else b""

    def drain(self) -> None:
        """Read the stream to its end, where a decompressor says whether the archive is whole."""
        behind = 0
        while self._stream is not None and (chunk := self._stream.read(_CHUNK)):
            behind += len(chunk)
            if behind > _MAX_BEHIND:
                raise InvalidArchive(
                    "the archive has more than 64 MiB behind its end",
                    hint="no tool that packs a root file system writes that",
                )


@contextmanager
def open_archive(
    path: Path | None, stream: IO[bytes] | None, scratch: Path
) -> Iterator[ArchiveFile]:
    """The archive at `path`, or what comes from `stream` when that is None.

    `scratch` is a directory for the temporary file. InvalidArchive when a decompressor fails;
    MissingProgram when there is none; OSError as the source has it.
    """
    with _source(path, stream) as source:
        magic, piped = _peek(source)
        found = next((entry for start, entry in _PROGRAMS.items() if magic.startswith(start)), None)
        if found is None and not piped:
            yield ArchiveFile(source.fileno())
            return
        fd = os.open(scratch, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with _unpacked(source, magic if piped else b"", found) as plain:
                yield ArchiveFile(fd, plain)
        finally:
            os.close(fd)


@contextmanager
def _source(path: Path | None, stream: IO[bytes] | None) -> Iterator[IO[bytes]]:
    if path is None:
        assert stream is not None
        yield stream
    else:
        with path.open("rb", buffering=0) as source:
            yield source


def _peek(source: IO[bytes]) -> tuple[bytes, bool]:
    """The first bytes, and whether they have been taken out of a pipe."""
    if stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        return os.pread(source.fileno(), 6, 0), False
    magic = b""
    while len(magic) < 6:  # the longest magic number
        more = _read_some(source, 6 - len(magic))
        if not more:
            break
        magic += more
    return magic, True


def _read_some(source: IO[bytes], size: int) -> bytes:
    """What is there of so many bytes, also of those that a buffer holds already."""
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)
    return read(size)


@contextmanager
def _unpacked(source: IO[bytes], taken: bytes, found: tuple[str, str] | None) -> Iterator[Readable]:
    """The source without its compression, the bytes already taken put in front."""
    feed = _Prefixed(source, taken)
    if found is None:
        yield feed
        return
    import shutil  # with bz2 and lzma, which take 1 ms

    command, package = found
    program, *options = command.split()
    executable = shutil.which(program, path=_PATH)
    if executable is None:
        raise MissingProgram(
            f"the archive is compressed with {program}, which is not installed",
            hint=f"apt install {package}",
        )
    with _decompressor([executable, *options], feed, piped=bool(taken)) as process:
        yield _Unpacked(process, program)


class _Unpacked:
    """What a decompressor writes; its end is believed only when the program ended well."""

    def __init__(self, process: subprocess.Popen[bytes], program: str) -> None:
        self._process = process
        self._program = program

    def read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        chunk = self._process.stdout.read(size)
        if not chunk and self._process.wait() != 0:
            assert self._process.stderr is not None
            says = self._process.stderr.read().decode(errors="replace").strip().splitlines()
            raise InvalidArchive(
                "the archive cannot be unpacked"
                f" ({says[0] if says else self._program + ' failed'})",
                hint="fetch it again, and compare its checksum with the one where it comes from",
            )
        return chunk


class _Prefixed:
    """A pipe with the bytes back in front that were taken to look at."""

    def __init__(self, source: IO[bytes], taken: bytes) -> None:
        self.source = source
        self._taken = taken

    def read(self, size: int) -> bytes:
        taken, self._taken = self._taken, b""
        return taken or _read_some(self.source, size)


@contextmanager
def _decompressor(
    command: list[str], feed: _Prefixed, *, piped: bool
) -> Iterator[subprocess.Popen[bytes]]:
    import subprocess
    import threading

    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if piped else feed.source.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": _PATH},
    )
    if piped:
        threading.Thread(target=_pump, args=(feed, process.stdin), daemon=True).start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _pump(feed: _Prefixed, into: IO[bytes]) -> None:
    """Copy until the source ends or the decompressor has gone; its exit code tells the rest."""
    try:
        with into:
            while chunk := feed.read(_CHUNK):
                into.write(chunk)
    except BrokenPipeError:
        pass
