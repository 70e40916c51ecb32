"""A tar archive as a tree in memory.

`tarfile` reads the headers (ustar, GNU, pax, all sparse forms). What it rounds or hides is taken
from the raw pax records: mtimes to the nanosecond, extended attributes and names as bytes. Where it
stops silently at a damaged header, this refuses.
"""

from __future__ import annotations

import base64
import tarfile
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes

from lxgit.objects import acl
from lxgit.objects.content import Slice, SparseSlice
from lxgit.objects.filetree import MAX_TARGET, FileTree, Node
from lxgit.objects.metadata import MAX_ID, NANOSECONDS, Kind, Metadata
from lxgit.objects.tarsource import ArchiveFile, InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.content import Content
    from lxgit.progress import Progress

_SPECIALS = {
    tarfile.FIFOTYPE: Kind.FIFO,
    tarfile.CHRTYPE: Kind.CHARACTER,
    tarfile.BLKTYPE: Kind.BLOCK,
}
_XATTR = "SCHILY.xattr."
_XATTR_BASE64 = "LIBARCHIVE.xattr."
_ACLS = {"SCHILY.acl.access": acl.ACCESS, "SCHILY.acl.default": acl.DEFAULT}
_VOLUME_LABEL = b"V"  # GNU tar's: says nothing about files


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read_tar(archive: ArchiveFile, progress: Progress) -> FileTree:
    """The root filesystem that the archive holds.

    The contents of its files are `Slice`s of `archive.fd`, which must stay open as long as they.
    InvalidArchive or InvalidPath for what is damaged, cut short or impossible.
    """
    reader = _Reader(archive)
    try:
        with tarfile.open(
            fileobj=cast("IO[bytes]", archive),
            mode="r:",
            encoding="utf-8",
            errors="surrogateescape",
        ) as members:
            for member in _members(members):
                reader.take(member)
                progress.advance()
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError) as error:
        raise InvalidArchive(
            f"the archive is damaged or no tar archive ({error})",
            hint="lxgit reads tar, plain or compressed with gzip, bzip2, xz or zstd",
        ) from None
    if len(archive.last_block) != tarfile.BLOCKSIZE or archive.last_block.strip(b"\0"):
        raise InvalidArchive(
            "the archive is damaged or cut short: its end is missing",
            hint="fetch or write it again",
        )
    return reader.finished()


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members up to the end, or to what tarfile takes for it, and never past that."""
    # It has read the first when it opens; asked again after an end, it would go on behind it.
    member: tarfile.TarInfo | None = vars(archive)["firstmember"] and archive.next()
    while member is not None:
        vars(archive)["members"] = []  # or tarfile keeps every one of them
        yield member
        member = archive.next()


class _Reader:
    """Turns members into nodes, one after the other."""

    def __init__(self, archive: ArchiveFile) -> None:
        self._archive = archive
        self._tree = FileTree()
        self._named_acls: list[tuple[Node, bytes, str]] = []

    def take(self, member: tarfile.TarInfo) -> None:
        """Put one member into the tree."""
        path = _bytes(member.name)
        if member.type == _VOLUME_LABEL:
            return
        if member.islnk():
            self._tree.link(path, _bytes(member.linkname))
            return
        node = self._tree.put(path, self._node(path, member))
        for key, name in _ACLS.items():
            if key in member.pax_headers:
                self._named_acls.append((node, name, member.pax_headers[key]))

    def _node(self, path: bytes, member: tarfile.TarInfo) -> Node:
        if member.isdir():
            return Node(Kind.DIRECTORY, _metadata(path, member))
        if member.issym():
            target = _bytes(member.linkname)
            if not 1 <= len(target) <= MAX_TARGET or b"\0" in target:
                raise InvalidArchive(f"{path[:120]!r} is a symbolic link with no possible target")
            return Node(Kind.SYMLINK, _metadata(path, member), target=target)
        if member.type in _SPECIALS:
            kind = _SPECIALS[member.type]
            rdev = None if kind is Kind.FIFO else _device(path, member)
            return Node(kind, _metadata(path, member), rdev=rdev)
        if not member.isreg() or member.type not in tarfile.SUPPORTED_TYPES:
            raise InvalidArchive(
                f"{path[:120]!r} has the member type {member.type!r}, which lxgit does not know"
            )
        return Node(Kind.FILE, _metadata(path, member), content=self._content(path, member))

    def _content(self, path: bytes, member: tarfile.TarInfo) -> Content:
        if member.size < 0 or member.offset_data < 0:
            raise InvalidArchive(f"{path[:120]!r} has a negative size")
        if member.sparse is None:
            return Slice(self._archive.fd, member.offset_data, member.size)
        segments = [(start, size) for start, size in _sparse_map(member) if size]
        position = 0
        for start, size in segments:
            if start < position or size < 0 or start + size > member.size:
                raise InvalidArchive(f"{path[:120]!r} has an impossible sparse map")
            position = start + size
        return SparseSlice(self._archive.fd, member.offset_data, member.size, tuple(segments))

    def finished(self) -> FileTree:
        """The tree, once the names in its ACLs have been looked up in its own passwd and group."""
        names = _AccountNames(self._tree)
        for node, name, text in self._named_acls:
            if name not in dict(node.metadata.xattrs):
                value = acl.parse_acl_text(text, names.look_up)
                if value is not None:
                    node.metadata = _with_xattr(node.metadata, name, value)
        return self._tree


def _sparse_map(member: tarfile.TarInfo) -> list[tuple[int, int]]:
    """(position, size) of each piece of data; typeshed does not know what is in the attribute."""
    return cast("list[tuple[int, int]]", member.sparse)


class _AccountNames:
    """The users and groups of the root filesystem, read when first asked for."""

    _FILES = {"user": b"etc/passwd", "group": b"etc/group"}  # noqa: RUF012  # never written

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self._known: dict[str, dict[str, int]] = {}

    def look_up(self, word: str, name: str) -> int | None:
        if word not in self._known:
            self._known[word] = self._read(self._FILES.get(word, b""))
        return self._known[word].get(name)

    def _read(self, path: bytes) -> dict[str, int]:
        node = self._tree.find(path)
        if node is None or node.content is None or node.content.size > 1 << 24:
            return {}
        lines = b"".join(node.content.chunks()).decode("utf-8", "surrogateescape").splitlines()
        fields = (line.split(":") for line in lines)
        return {row[0]: int(row[2]) for row in fields if len(row) > 2 and row[2].isdigit()}


def _with_xattr(metadata: Metadata, name: bytes, value: bytes) -> Metadata:
    mode, xattrs = acl.normalised(metadata.mode, (*metadata.xattrs, (name, value)))
    return Metadata(mode, metadata.uid, metadata.gid, metadata.mtime, xattrs)


def _metadata(path: bytes, member: tarfile.TarInfo) -> Metadata:
    for number in (member.uid, member.gid):
        if not 0 <= number <= MAX_ID:
            raise InvalidArchive(f"{path[:120]!r} has the impossible owner {number}")
    mode = 0o777 if member.issym() else member.mode & 0o7777
    mode, xattrs = acl.normalised(mode, _xattrs(path, member))
    return Metadata(mode, member.uid, member.gid, _mtime(path, member), xattrs)


def _mtime(path: bytes, member: tarfile.TarInfo) -> int:
    """Nanoseconds; a pax record has them in full, where `member.mtime` is a float."""
    text = member.pax_headers.get("mtime")
    if text is None:
        mtime = int(member.mtime) * NANOSECONDS
    else:
        whole, _, fraction = text.strip().partition(".")
        if not whole.lstrip("-").isdigit() or (fraction and not fraction.isdigit()):
            raise InvalidArchive(f"{path[:120]!r} has the impossible mtime {text[:40]!r}")
        nanoseconds = int(fraction[:9].ljust(9, "0"))
        sign = -1 if whole.startswith("-") else 1
        mtime = sign * (abs(int(whole)) * NANOSECONDS + nanoseconds)
    if abs(mtime) >= 2**63 * NANOSECONDS:
        raise InvalidArchive(f"{path[:120]!r} has an impossible mtime")
    return mtime


def _device(path: bytes, member: tarfile.TarInfo) -> tuple[int, int]:
    major, minor = member.devmajor, member.devminor
    if not (0 <= major < 2**12 and 0 <= minor < 2**20):
        raise InvalidArchive(f"{path[:120]!r} has the impossible device number {major}:{minor}")
    return major, minor


def _xattrs(path: bytes, member: tarfile.TarInfo) -> tuple[tuple[bytes, bytes], ...]:
    """The extended attributes, as GNU tar, star and libarchive write them."""
    found: dict[bytes, bytes] = {}
    for key, value in member.pax_headers.items():
        if key.startswith(_XATTR_BASE64):
            name = unquote_to_bytes(_bytes(key[len(_XATTR_BASE64) :]))
            found.setdefault(name, base64.b64decode(value + "=" * (-len(value) % 4)))
    for key, value in member.pax_headers.items():
        if key.startswith(_XATTR):
            # GNU tar escapes what a pax keyword cannot hold (xattrs.c, xattr_encode_keyword).
            name = _bytes(key[len(_XATTR) :]).replace(b"%3D", b"=").replace(b"%25", b"%")
            found[name] = _bytes(value)
    for name in found:
        if b"\0" in name or b"." not in name or len(name) > 255:  # XATTR_NAME_MAX
            raise InvalidArchive(f"{path[:120]!r} has an impossible extended attribute")
    return tuple(sorted(found.items()))
