"""Reflogs: what a ref was, a line for each change (gitrepository-layout(5), `logs`).

<old id> SP <new id> SP <name> <<email>> SP <seconds> SP <±hhmm> [TAB <message>] LF
"""

from __future__ import annotations

import os
import stat

from lxgit.fsutil import fsync_directory, fsync_file, make_directories, write_all
from lxgit.lean import suppress
from lxgit.objects.commits import Signature, decode_signature, encode_signature
from lxgit.objects.ids import ZERO_ID, InvalidObjectID, ObjectID, from_hex, hex_id
from lxgit.objects.newfile import TEMPORARY
from lxgit.objects.refnames import is_valid_ref
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

    from lxgit.objects.filelock import FileLock


_MOST_DIGITS = 18
"""Of a log's size: no disk holds one with more."""


class ReflogEntry(NamedTuple):
    """One change of a ref; None for "did not exist"."""

    old: ObjectID | None
    new: ObjectID | None
    who: Signature
    message: str


class Intent(NamedTuple):
    """What somebody is about to append to a log, who then moves a ref.

    <name> SP <bytes of the log> SP <ref> LF <lines of the log>
    """

    content: str
    """The file in the repository that becomes the ref, and is there until then."""
    size: int
    """The bytes of the log before."""
    ref: str
    """The log's own, or the branch that HEAD names."""
    lines: bytes

    def encode(self) -> bytes:
        content, ref = os.fsencode(self.content), os.fsencode(self.ref)
        return b"%b %d %b\n%b" % (content, self.size, ref, self.lines)

    @classmethod
    def parse(cls, text: bytes) -> Self | None:
        """None for what is none: a power failure leaves such before anything was appended."""
        head, _, lines = text.partition(b"\n")
        content, _, rest = os.fsdecode(head).partition(" ")
        size, _, ref = rest.partition(" ")
        is_name = content.startswith(TEMPORARY) and content.isidentifier()
        is_size = size.isdecimal() and len(size) <= _MOST_DIGITS
        if not is_name or not is_size or not is_valid_ref(ref) or not lines:
            return None
        return cls(content, int(size), ref, lines)


class Reflogs:
    """The files below `logs`."""

    def __init__(self, git_dir: str) -> None:
        self._directory = f"{git_dir}/logs"

    def append(
        self,
        name: str,
        *entries: ReflogEntry,
        lock: FileLock | None = None,
        moving: FileLock | None = None,
    ) -> None:
        """Add a line for each, durably; the last change comes first, as everywhere.

        One write, so that lines of several processes do not mix. Until it is on the disk, a power
        failure may leave zeros where the lines were, or a part. `lock` is that of the log's ref,
        and says so before. `moving`, else `lock`, has what is to be written already.
        """
        path = f"{self._directory}/{name}"
        fd = self._open(path)
        try:
            size = os.fstat(fd).st_size
            is_new = not size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            if torn:
                _blank_last_line(path)
            lines = b"\n" * torn + encode_log(entries)
            if lock is not None:
                move = moving or lock
                lock.announce(Intent(move.content, size, move.name, lines).encode())
            write_all(fd, lines)
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            fsync_directory(os.path.dirname(path))

    def read(self, name: str, size: int | None = None) -> tuple[ReflogEntry, ...]:
        """All changes of a ref, the last one first; lines that are none are left out.

        With `size` those alone that are in so many bytes.
        """
        try:
            with open(f"{self._directory}/{name}", "rb") as file:
                entries = list(_decode_all(file.read(size).split(b"\n")))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return ()
        return tuple(reversed(entries))

    def size(self, name: str) -> int:
        """The bytes of a log; 0 where there is none."""
        try:
            status = os.stat(f"{self._directory}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def intended(self, name: str, said: bytes) -> Intent | None:
        """What somebody `said` who was to append it, if the log has nothing else behind.

        It may have a part of it, after a power failure with zeros for any.
        """
        intent = Intent.parse(said)
        if intent is None or intent.size > self.size(name):
            return None
        try:
            with open(f"{self._directory}/{name}", "rb") as file:
                file.seek(intent.size)
                found = file.read(len(intent.lines) + 1)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        if len(found) > len(intent.lines):
            return None
        parts = zip(found, intent.lines, strict=False)
        return intent if all(byte in (0, meant) for byte, meant in parts) else None

    def cut(self, name: str, size: int, *, keep: bool) -> None:
        """Have a log as it was when it had that many bytes; with `keep`, also where it had none."""
        path = f"{self._directory}/{name}"
        if self.size(name) > size:
            os.truncate(path, size)
            fsync_file(path)  # also of one that goes: what it said is never back
        if not size and not keep:
            self.delete(name)

    def names(self) -> list[str]:
        """The refs that have a log."""
        found = []
        for directory, _, files in os.walk(self._directory):
            below = directory[len(self._directory) + 1 :]
            found += [f"{below}/{file}" if below else file for file in files]
        return sorted(name for name in found if name == "HEAD" or is_valid_ref(name))

    def delete(self, name: str) -> None:
        """Remove a ref's log, as Git does with the ref: its path may be a directory next."""
        path = f"{self._directory}/{name}"
        with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            os.unlink(path)
        remove_empty_parents(path, f"{self._directory}/refs")

    def _open(self, path: str) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        for _ in range(3):  # another process may remove what was just made
            try:
                return os.open(path, flags, 0o666)
            except FileNotFoundError:
                make_directories(os.path.dirname(path))
            except IsADirectoryError:
                remove_empty_directories(path)
        return os.open(path, flags, 0o666)


def _blank_last_line(path: str) -> None:
    """Make the last line one of zeros: it has no end, so nobody was told that it was there.

    The file keeps its length, as another process may be about to append.
    """
    with open(path, "r+b") as file:
        content = file.read()
        begin = content.rfind(b"\n") + 1
        file.seek(begin)
        file.write(bytes(len(content) - begin))


def remove_empty_directories(path: str) -> None:
    """Remove a directory that holds nothing but directories; leave any other."""
    for directory, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)


def remove_empty_parents(path: str, top: str) -> None:
    """Remove the directories above `path` that are empty, but not `top/x` or what is above."""
    parent = os.path.dirname(path)
    while parent.startswith(f"{top}/") and "/" in parent[len(top) + 1 :]:
        try:
            os.rmdir(parent)
        except OSError:
            return
        parent = os.path.dirname(parent)


def encode_log(entries: Sequence[ReflogEntry]) -> bytes:
    """A whole log; the entries as `Reflogs.read` has them, the last change first."""
    return b"".join(map(_encode, reversed(entries)))


def on_one_line(message: str) -> bytes:
    """A message as logs have it: white space is one space, but for such as names may have."""
    return b" ".join(message.encode("utf-8", "surrogateescape").split())


def _encode(entry: ReflogEntry) -> bytes:
    ids = " ".join(hex_id(oid or ZERO_ID) for oid in (entry.old, entry.new))
    message = on_one_line(entry.message)
    tail = b"\t" + message if message else b""
    return ids.encode() + b" " + encode_signature(entry.who) + tail + b"\n"


def _decode_all(lines: Iterable[bytes]) -> Iterator[ReflogEntry]:
    for line in lines:
        head, _, message = line.partition(b"\t")
        try:
            old, new = (from_hex(head[at : at + 40]) for at in (0, 41))
        except InvalidObjectID:
            continue
        yield ReflogEntry(
            old=None if old == ZERO_ID else old,
            new=None if new == ZERO_ID else new,
            who=decode_signature(head[82:]),
            message=message.decode("utf-8", "surrogateescape"),
        )
