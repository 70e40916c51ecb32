"""The bytes of an archive: plain or compressed, a file or a pipe, read once and kept at hand.

A plain archive in a regular file is read where it is. Anything else passes through its decompressor
into an unlinked temporary file, so that every member's content has an offset to be read from later.
gzip is undone here, in a third of the time that its program takes; the other decompressors are the
system's programs, and run beside us.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from lxgit.errors import LxgitError
from lxgit.fsutil import write_all
from lxgit.objects.inflate import InflateError, gunzipper
from lxgit.objects.limits import free_space, no_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO, Protocol

    from lxgit.objects.content import Slice

    class Readable(Protocol):
        """What gives the next bytes, and none at its end."""

        def read(self, size: int, /) -> bytes: ...


_CHUNK = 1 << 20
_MAX_BEHIND = 64 << 20  # bytes behind the end of an archive: tar fills up its last record
_GZIP = b"\x1f\x8b"
_PROGRAMS = {  # by their magic numbers: what unpacks it, and the Debian package that has it
    b"BZh": ("bzip2 -dc", "bzip2"),
    # Its header says how much memory it wants, up to 4 GiB; the largest preset wants 64 MiB.
    b"\xfd7zXZ\0": ("xz -dc --memlimit-decompress=512MiB", "xz-utils"),
    b"\x28\xb5\x2f\xfd": ("zstd -dc", "zstd"),
}
_LONGEST_MAGIC = 6
_PATH = "/usr/local/bin:/usr/bin:/bin"


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins so is compressed in a way that can be undone."""
    return head.startswith((_GZIP, *_PROGRAMS))


class InvalidArchive(LxgitError):
    """An archive that is damaged, cut short, or holds what no root filesystem can."""


class MissingProgram(LxgitError):
    """The machine lacks a program that the work needs."""


class ArchiveFile:
    """The archive's bytes by offset; what has come through a pipe once is kept at `fd`.

    Of one that is `vouched` for by a digest the end need not be marked, as some writers of layers
    have it: it may end behind the last member.
    """

    vouched = False

    def __init__(
        self, fd: int, stream: Readable | None = None, start: int = 0, size: int | None = None
    ) -> None:
        """`fd` is the file that has the archive, or that `stream` is copied to, at its end.

        The archive begins at `start` of it, and has `size` bytes, None for all that there are.
        """
        self.fd = fd
        self.start = start
        self._stream = stream
        if stream is not None:
            self._filled = start
        else:
            self._filled = os.fstat(fd).st_size if size is None else start + size
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
            if self._filled + len(chunk) - self.start > self._room:
                raise no_room(self._room)
            write_all(self.fd, chunk)
            self._filled += len(chunk)
        return end <= self._filled

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, or what there is of them: headers, never contents."""
        self.holds(offset + size)
        there = min(size, self._filled - offset)
        return os.pread(self.fd, there, offset) if there > 0 else b""

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
        if not is_compressed(magic) and not piped:
            yield ArchiveFile(source.fileno())
            return
        fd = os.open(scratch, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with _unpacked(source, magic, piped=piped) as plain:
                yield ArchiveFile(fd, plain)
        finally:
            os.close(fd)


@contextmanager
def unpacking(part: Slice) -> Iterator[Readable]:
    """The bytes of a part of a file without their compression, if they have any. As above."""
    stream = _Part(part)
    # It has all that a pipe is asked for.
    with _unpacked(stream, stream.read(_LONGEST_MAGIC), piped=True) as plain:  # type: ignore[arg-type]
        yield plain


class _Part:
    """A part of a file as a pipe: a program that was given the file would read past its end."""

    def __init__(self, part: Slice) -> None:
        self._part = part
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many."""
        wanted = min(size, self._part.size - self._at)
        data = os.pread(self._part.fd, wanted, self._part.offset + self._at)
        self._at += len(data)
        return data


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
        return os.pread(source.fileno(), _LONGEST_MAGIC, 0), False
    magic = b""
    while len(magic) < _LONGEST_MAGIC:
        more = _read_some(source, _LONGEST_MAGIC - len(magic))
        if not more:
            break
        magic += more
    return magic, True


def _read_some(source: IO[bytes], size: int) -> bytes:
    """What is there of so many bytes, also of those that a buffer holds already."""
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)
    return read(size)


@contextmanager
def _unpacked(source: IO[bytes], magic: bytes, *, piped: bool) -> Iterator[Readable]:
    """The source without its compression; out of a pipe its magic number has been taken already."""
    feed = _Prefixed(source, magic if piped else b"")
    if magic.startswith(_GZIP):
        yield _Gunzip(feed)
        return
    found = next((entry for start, entry in _PROGRAMS.items() if magic.startswith(start)), None)
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
    with _decompressor([executable, *options], feed, piped=piped) as process:
        yield _Unpacked(process, program)


class _Gunzip:
    """What members of gzip (RFC 1952) hold, one after the other; zeros may be behind them."""

    def __init__(self, feed: Readable) -> None:
        self._feed = feed
        self._engine = gunzipper()
        self._compressed = b""
        self._started = False  # the member that the engine is for

    def read(self, size: int) -> bytes:
        """The next bytes. InvalidArchive for what is damaged, or ends too early."""
        while True:
            if self._engine.eof:
                self._compressed = self._engine.unused_data
                self._engine, self._started = gunzipper(), False
            self._compressed = self._compressed or self._feed.read(_CHUNK)
            if not self._started:
                self._compressed = self._compressed.lstrip(b"\0")
            if not self._compressed:
                break
            self._started = True
            try:
                plain: bytes = self._engine.decompress(self._compressed, size)
            except InflateError as error:
                raise _not_unpacked(f"gzip: {error}") from None
            self._compressed = self._engine.unconsumed_tail
            if plain:
                return plain
        if self._started:
            raise _not_unpacked("gzip: unexpected end of file")
        return b""


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
            raise _not_unpacked(says[0] if says else f"{self._program} failed")
        return chunk


def _not_unpacked(why: str) -> InvalidArchive:
    return InvalidArchive(
        f"the archive cannot be unpacked ({why})",
        hint="fetch it again, and compare its checksum with the one where it comes from",
    )


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
