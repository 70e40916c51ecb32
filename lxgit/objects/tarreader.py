"""A tar archive as a tree in memory.

v7, ustar, GNU and pax archives, their headers read by `tarheader`, `paxheader` and `tarsparse`.
Nothing is believed that decides where bytes are: a header with a wrong checksum, a number that is
none, a map that does not fit its data, an end that is missing, or a second archive behind the first
are each refused. Where readers differ this one does as Docker's does: the size of what has no data
(links, directories, devices) is not looked at.
"""

from __future__ import annotations

from lxgit.errors import quoted
from lxgit.lean import NANOSECONDS
from lxgit.objects import acl, paxheader
from lxgit.objects.accounts import MAX_SIZE, account_id, account_lines
from lxgit.objects.acl import InvalidAcl
from lxgit.objects.content import Slice, SparseSlice
from lxgit.objects.extent import MAX_ENTRIES, TooManyEntries
from lxgit.objects.filetree import NOT_FROM_A_MACHINE, FileTree, Node
from lxgit.objects.limits import NO_LIMITS, Account
from lxgit.objects.metadata import DEVICES, Kind, Metadata, has_place
from lxgit.objects.replay import MAX_TARGET
from lxgit.objects.tarheader import (
    BLOCK,
    Header,
    InvalidHeader,
    check_id,
    check_size,
    device,
    mode,
    owner_ids,
    parse_header,
    plain_metadata,
    seconds,
)
from lxgit.objects.tarsource import ArchiveFile, InvalidArchive
from lxgit.objects.tarsparse import MAX_SEGMENTS, old_sparse, pax_sparse, segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.content import Content
    from lxgit.objects.limits import Limits
    from lxgit.objects.paxheader import Records
    from lxgit.progress import Progress

_LINK = b"1"
_SPARSE = b"S"
_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,  # v7
    b"7": Kind.FILE,  # contiguous: a regular file where a system has no such thing
    _SPARSE: Kind.FILE,  # sparse, as GNU tar did it before pax
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_EXTENDED = (b"x", b"X")  # X is Solaris's, before POSIX settled for x
_GLOBAL = b"g"
_LONG = {b"L": b"path", b"K": b"linkpath"}  # GNU's
_VOLUME_LABEL = b"V"  # GNU's: says nothing about files
_AHEAD = frozenset((*_EXTENDED, _GLOBAL, *_LONG))
_SYMLINK_MODE = b"0000777\0"
_MAX_HEADER = 1 << 24  # bytes of one extended header; long names and attributes need far less
_MAX_GLOBAL = 1 << 16
_MAX_HEADERS = 1 << 30  # of all of an archive, those for all members counted for each
_LONGEST_RECORD = 1 << 20  # tar --blocking-factor=2048

_MOST_MEMBERS = 2 * MAX_ENTRIES
"""Also what another member takes the place of is in memory until the archive has been read."""


def _keep(_: Content) -> None:
    """Nobody waits for contents."""


def read_tar(
    archive: ArchiveFile,
    progress: Progress,
    offer: Callable[[Content], None] = _keep,
    limits: Limits = NO_LIMITS,
    tree: FileTree | None = None,
) -> FileTree:
    """The root filesystem that the archive holds, put into `tree` if there is one.

    The contents of its files are slices of `archive.fd`, which must stay open as long as they;
    `offer` gets each as soon as it can be read. InvalidArchive or InvalidPath for what is damaged,
    cut short or impossible; TooDeep, TooManyEntries or TooLarge for what is too much.
    """
    reader = _Reader(archive, offer, limits, FileTree() if tree is None else tree)
    while reader.step():
        progress.advance()
    if reader.foreign:
        progress.warn(
            f"left out {reader.foreign} extended attributes, which Linux cannot give such files"
        )
    return reader.finished()


class _Reader:
    """Turns members into nodes, one after the other."""

    def __init__(
        self,
        archive: ArchiveFile,
        offer: Callable[[Content], None],
        limits: Limits,
        tree: FileTree,
    ) -> None:
        self._archive = archive
        self._offer = offer
        self._account = Account(limits)
        self._position = archive.start  # of what is read next
        self._tree = tree
        self._global: Records = {}
        self._global_size = 0  # in bytes
        self._own: Records = {}  # what the headers ahead of a member say about it
        self._headers = 0  # bytes of extended headers so far
        self._members = 0
        self._segments = 0  # of all sparse files
        self.foreign = 0  # attributes that Linux has no place for
        self._named_acls: list[tuple[bytes, Node, bytes, str]] = []

    def step(self) -> bool:
        """Read one header and what belongs to it; False at the end of the archive."""
        block = self._archive.read(self._position, BLOCK)
        if len(block) < BLOCK:
            if self._archive.vouched and not block:
                self._finish()
                return False
            if block and self._position == self._archive.start:
                raise self._damaged(InvalidHeader("no whole header"))
            raise _cut_short()
        try:
            header = parse_header(block)
        except InvalidHeader as error:
            raise self._damaged(error) from None
        self._position += BLOCK
        if header is None:
            self._finish()
            return False
        if header.kind in _AHEAD:
            self._look_ahead(header)
        else:
            self._take(header, block)
        return True

    def _damaged(self, error: InvalidHeader) -> InvalidArchive:
        return InvalidArchive(
            f"the archive is damaged or no tar archive ({error.message} at {self._position})",
            hint="lxgit reads tar, plain or compressed with gzip, bzip2, xz or zstd",
        )

    def _look_ahead(self, header: Header) -> None:
        """Keep what an extended header says of the next member, or of all."""
        size = header.size
        if not 0 <= size <= _MAX_HEADER:
            raise InvalidArchive(
                "the archive has a header of more than 16 MiB", hint=NOT_FROM_A_MACHINE
            )
        self._count_headers(size)
        data = self._archive.read(self._position, size)
        if len(data) < size:
            raise _cut_short()
        self._position += size + -size % BLOCK
        if header.kind in _LONG:
            self._own.setdefault(_LONG[header.kind], data.partition(b"\0")[0])
            return
        try:
            records = paxheader.parse_records(data)
            if header.kind != _GLOBAL:
                self._own.update(records)
                return
            self._global |= paxheader.check_global(records)
            common = self._global.items()
            self._global_size = sum(len(key) + len(value) for key, value in common)
            if self._global_size > _MAX_GLOBAL:
                raise InvalidHeader("more than 64 KiB of headers for all members")
        except InvalidHeader as error:
            raise InvalidArchive(
                f"the archive has {error.message}", hint=NOT_FROM_A_MACHINE
            ) from None

    def _count_headers(self, size: int) -> None:
        self._headers += size
        if self._headers > _MAX_HEADERS:
            raise InvalidArchive(
                "the archive has more than 1 GiB of extended headers", hint=NOT_FROM_A_MACHINE
            )

    def _take(self, header: Header, block: bytes) -> None:
        """Put one member into the tree."""
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise TooManyEntries(
                f"an archive of more than {_MOST_MEMBERS:,} members", hint="import a part of it"
            )
        records = self._own
        if records or self._global:
            self._own = {}
            self._count_headers(self._global_size)
            records = paxheader.merged(self._global, records)
            header = _with_names(header, records)
        try:
            if header.kind == _LINK:
                self._tree.link(header.name, header.link)
            elif header.kind != _VOLUME_LABEL:
                node = self._tree.put(header.name, self._node(header, block, records))
                if records:
                    self._named_acls += [
                        (header.name, node, attribute, text)
                        for attribute, text in paxheader.named_acls(records)
                        if has_place(node.kind, attribute)
                    ]
        except InvalidHeader as error:
            raise InvalidArchive(
                f"{quoted(header.name[:120])} has {error.message}", hint=NOT_FROM_A_MACHINE
            ) from None

    def _node(self, header: Header, block: bytes, records: Records) -> Node:
        kind = _KINDS.get(header.kind)
        if kind is Kind.FILE:
            if header.name[-1:] != b"/" or header.kind == _SPARSE:
                content = self._content(header, block, records)
                return Node(kind, self._metadata(kind, header, records), content=content)
            kind = Kind.DIRECTORY  # as v7 and BSD write it
        if kind is Kind.SYMLINK:
            if not 1 <= len(header.link) <= MAX_TARGET or b"\0" in header.link:
                raise InvalidHeader("no possible target, and is a symbolic link")
            header = header._replace(owner=_SYMLINK_MODE + header.owner[8:])
            return Node(kind, self._metadata(kind, header, records), target=header.link)
        if kind is None:
            raise InvalidHeader(f"the member type {quoted(header.kind)}, which lxgit does not know")
        rdev = device(block) if kind in DEVICES else None
        return Node(kind, self._metadata(kind, header, records), rdev=rdev)

    def _metadata(self, kind: Kind, header: Header, records: Records) -> Metadata:
        if not records:
            return plain_metadata(header.owner, header.mtime)
        uid, gid = owner_ids(header.owner)
        stated_uid, stated_gid = (paxheader.decimal(records, key) for key in (b"uid", b"gid"))
        mtime = paxheader.mtime(records)
        stated, foreign = paxheader.xattrs(records, kind)
        self.foreign += foreign
        try:
            bits, xattrs = acl.normalised(mode(header.owner), stated)
        except InvalidAcl as error:
            raise InvalidHeader(f"a bad ACL ({error.message})") from None
        return Metadata(
            bits,
            check_id(uid if stated_uid is None else stated_uid),
            check_id(gid if stated_gid is None else stated_gid),
            seconds(header.mtime) * NANOSECONDS if mtime is None else mtime,
            xattrs,
        )

    def _content(self, header: Header, block: bytes, records: Records) -> Content:
        """Where the bytes of a file are; the next header is behind them."""
        stored = header.size
        if records:
            stated = paxheader.decimal(records, b"size")
            stored = stored if stated is None else stated
        check_size(stored)
        begin = self._position
        content: Content
        if header.kind == _SPARSE or paxheader.is_sparse(records):
            content = self._sparse_content(header, block, records, stored)
        else:
            self._account.add(stored, stored)
            self._position = begin + stored + -stored % BLOCK
            content = Slice(self._archive.fd, begin, stored)
        padding = -stored % BLOCK if self._archive.vouched else 0
        if not self._archive.holds(self._position - padding):
            raise _cut_short()
        self._offer(content)
        return content

    def _sparse_content(
        self, header: Header, block: bytes, records: Records, stored: int
    ) -> SparseSlice:
        begin = self._position
        if header.kind == _SPARSE:
            size, numbers = old_sparse(block, self._next_block)
            begin = self._position  # the rest of its map is not counted
        else:
            size, numbers = pax_sparse(records, self._next_block)
        start = self._position
        self._position = begin + stored + -stored % BLOCK
        data = stored - (start - begin)
        self._account.add(size, data)
        pieces = segments(numbers, size, data)
        self._segments += max(0, len(pieces) - 1)  # the first is its member's
        if self._segments > MAX_SEGMENTS:
            raise InvalidHeader(f"more than {MAX_SEGMENTS:,} pieces of data, with the files before")
        return SparseSlice(self._archive.fd, start, size, pieces)

    def _next_block(self) -> bytes:
        block = self._archive.read(self._position, BLOCK)
        self._position += BLOCK
        return block

    def _finish(self) -> None:
        """Refuse what another reader would take for more of the archive."""
        if self._own:
            raise InvalidArchive(
                "the archive ends with a header that has no member", hint="fetch or write it again"
            )
        behind = self._archive.read(self._position, _LONGEST_RECORD)
        start = (len(behind) - len(behind.lstrip(b"\0"))) // BLOCK * BLOCK
        block = behind[start : start + BLOCK]
        self._archive.drain()
        try:
            another = len(block) == BLOCK and parse_header(block) is not None
        except InvalidHeader:  # what a tape or a buffer had there before
            return
        if another:
            raise InvalidArchive(
                "a second archive follows the first",
                hint="import them one by one, or join them with tar --concatenate",
            )

    def finished(self) -> FileTree:
        """The tree, once the names in its ACLs have been looked up in its own passwd and group."""
        names = _AccountNames(self._tree)
        for path, node, name, text in self._named_acls:
            if name in dict(node.metadata.xattrs):
                continue
            try:
                value = acl.parse_acl_text(name, text, names.look_up)
                if value is not None:
                    node.metadata = _with_xattr(node.metadata, name, value)
            except InvalidAcl as error:
                raise InvalidArchive(
                    f"{quoted(path[:120])} has a bad ACL ({error.message})", hint=NOT_FROM_A_MACHINE
                ) from None
        return self._tree


def _cut_short() -> InvalidArchive:
    return InvalidArchive(
        "the archive is damaged or cut short: its end is missing", hint="fetch or write it again"
    )


def _with_names(header: Header, records: Records) -> Header:
    name = records.get(b"GNU.sparse.name") or records.get(b"path", header.name)
    return header._replace(name=name, link=records.get(b"linkpath", header.link))


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
        if node is None or node.content is None or node.content.size > MAX_SIZE:
            return {}
        rows = account_lines(node.content.whole(), 3)
        return {row[0]: number for row in rows if (number := account_id(row[2])) is not None}


def _with_xattr(metadata: Metadata, name: bytes, value: bytes) -> Metadata:
    mode, xattrs = acl.normalised(metadata.mode, (*metadata.xattrs, (name, value)))
    return Metadata(mode, metadata.uid, metadata.gid, metadata.mtime, xattrs)
