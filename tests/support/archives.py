"""Archives for tests: made member by member, header by header, and read back as trees."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

from lxgit.objects.limits import NO_LIMITS
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import open_archive
from lxgit.progress import NullProgress

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.filetree import FileTree
    from lxgit.objects.limits import Limits
    from lxgit.objects.metadata import Kind

FILE, LINK, SYMLINK, DIRECTORY = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE
CHARACTER, BLOCK_DEVICE, FIFO = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE

BLOCK = 512
END = bytes(2 * BLOCK)


class Archive:
    """Builds an archive, member by member, in the pax format unless told otherwise."""

    def __init__(self, form: int = tarfile.PAX_FORMAT) -> None:
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=form)  # noqa: SIM115

    def add(
        self,
        name: str,
        kind: bytes = FILE,
        target: str = "",
        content: bytes = b"",
        pax: dict[str, str] | None = None,
        **values: int,
    ) -> Archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, len(content)
        member.mode = 0o755 if kind == DIRECTORY else 0o644
        member.pax_headers = pax or {}
        for key, value in values.items():
            setattr(member, key, value)
        self.tar.addfile(member, io.BytesIO(content))
        return self

    def raw(self) -> bytes:
        self.tar.close()
        return self.bytes.getvalue()


def header(name: bytes = b"a", kind: bytes = b"0", **fields: bytes) -> bytes:
    """One block with any bytes in its fields (`size`, `mtime`, `magic`, …), its checksum right."""
    values = {
        "name": name,
        "mode": b"0000644\0",
        "uid": b"0000000\0",
        "gid": b"0000000\0",
        "size": b"00000000000\0",
        "mtime": b"00000000000\0",
        "checksum": b" " * 8,
        "kind": kind,
        "link": b"",
        "magic": b"ustar\x0000",
        "rest": b"",
        **fields,
    }
    block = bytearray()
    for field, size in _FIELDS.items():
        assert len(values[field]) <= size
        block += values[field].ljust(size, b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


_FIELDS = {
    "name": 100,
    "mode": 8,
    "uid": 8,
    "gid": 8,
    "size": 12,
    "mtime": 12,
    "checksum": 8,
    "kind": 1,
    "link": 100,
    "magic": 8,
    "rest": 247,
}


def octal(number: int, width: int = 12) -> bytes:
    """A numeric field."""
    return b"%0*o\0" % (width - 1, number)


def base_256(number: int, width: int = 12) -> bytes:
    """A numeric field as GNU tar writes what octal cannot hold."""
    return (number % (1 << 8 * width) | 1 << 8 * width - 1).to_bytes(width, "big")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def extended(data: bytes, kind: bytes = b"x") -> bytes:
    """A header that says something of the next member, or of all."""
    return header(b"././@PaxHeader", kind, size=octal(len(data))) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    """One pax record."""
    rest = len(key) + len(value) + 3
    size = next(n for n in range(rest, rest + 20) if n == rest + len(str(n)))
    return b"%d %b=%b\n" % (size, key, value)


def read(directory: Path, data: bytes | Archive, limits: Limits = NO_LIMITS) -> FileTree:
    """The tree in an archive, each of its contents read once."""
    archive = directory / "archive.tar"
    archive.write_bytes(data.raw() if isinstance(data, Archive) else data)
    return read_file(archive, directory, limits)


def read_file(archive: Path, scratch: Path, limits: Limits = NO_LIMITS) -> FileTree:
    with open_archive(archive, None, scratch) as opened:
        tree = read_tar(opened, NullProgress(), limits=limits)
        for _, node in tree.walk():
            if node.content is not None:
                assert sum(map(len, node.content.chunks())) == node.content.size
        return tree


def paths(tree: FileTree) -> dict[bytes, Kind]:
    """What stands where, the root left out."""
    return {path: node.kind for path, node in tree.walk() if path}


def described(tree: FileTree) -> dict[bytes, dict[str, object]]:
    """Everything about every path, and the digest of each content: its source must be open."""
    links = tree.links()
    digests: dict[int, str] = {}
    found: dict[bytes, dict[str, object]] = {}
    for path, node in tree.walk():
        metadata = node.metadata
        found[path] = {
            "kind": node.kind,
            "mode": metadata.mode,
            "mtime": metadata.mtime,
            "uid": metadata.uid,
            "gid": metadata.gid,
            "xattrs": metadata.xattrs,
            "target": node.target,
            "device": node.rdev,
            "links": links.group(path),
        }
        if node.content is not None:
            if id(node) not in digests:
                digest = hashlib.sha1(usedforsecurity=False)
                for chunk in node.content.chunks():
                    digest.update(chunk)
                digests[id(node)] = digest.hexdigest()
            found[path] |= {"size": node.content.size, "digest": digests[id(node)]}
    return found
