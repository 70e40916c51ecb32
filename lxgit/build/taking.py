"""What COPY and ADD take: which files of a source, and a digest of them for the cache.

As Docker has it: a source is a path, or a pattern of Go's filepath.Match; of a directory its
contents are meant; links that a source itself names are followed inside the source, those below are
copied as they are. The digest is that of names, modes, owners and contents, not of times, and no
more is read for it than what is taken. Contents go by their Git ids, so what is written later can
be compared with it, and what the store has need not be read again.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from contextlib import contextmanager
from functools import partial
from itertools import takewhile

from lxgit.build.ignore import as_text, ignoring, only
from lxgit.build.patterns import Pattern, has_wildcards
from lxgit.build.sources import Stored, joined, remaining, resolved
from lxgit.errors import LxgitError
from lxgit.objects.content import CHUNK, Held
from lxgit.objects.filetree import Node
from lxgit.objects.ids import ObjectType, hash_trusted
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scratch import hash_content
from lxgit.records import dataclass, field
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxgit.build.sources import Found, Source
    from lxgit.objects.content import Content
    from lxgit.objects.ids import ObjectID


class NotInSource(LxgitError):
    """COPY names what is not there."""


class Unreadable(LxgitError):
    """A file of the build context that whoever builds may not read."""


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """COPY or ADD, its variables expanded.

    `now`, in nanoseconds since 1970, is the time of what is made here. `inline` are here-documents:
    a name and the content. `fetched` has the file behind each of `sources` that is an address, and
    `trees` the directory behind one that is a repository's. With `unpack` archives are extracted,
    with `unpack_fetched` those that were fetched.
    """

    sources: tuple[str, ...]
    destination: str
    now: int
    inline: tuple[tuple[str, bytes], ...] = ()
    fetched: Mapping[str, Node] = field(default_factory=dict)
    trees: Mapping[str, Source] = field(default_factory=dict)
    unpack: bool = False
    unpack_fetched: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    chown: str = ""
    chmod: str = ""


class Root(NamedTuple):
    """One thing that is copied: a file, or a directory's contents, by the rest of their paths."""

    name: bytes
    """What a file is called in a directory that it comes into."""

    node: Node
    below: tuple[Found, ...] = ()
    may_unpack: bool = False


class Taken(NamedTuple):
    """What a request takes.

    `digest` is 32 bytes; `ids` has what Git calls the contents, by the id() of each.
    """

    roots: tuple[Root, ...]
    digest: bytes
    ids: Mapping[int, ObjectID]


def take(source: Source, request: CopyRequest) -> Taken:
    """Find out what a request takes, and read all of that once.

    NotInSource, CircleOfLinks, PathTooLong, BadPattern, Unreadable; SourceChanged.
    """
    with _told():
        roots = tuple(_Finder(source, request).roots())
    ids: dict[int, ObjectID] = {}
    digest = hashlib.sha256()
    for root in roots:
        digest.update(_record(b"source", root.name))
        for path, node in ((b"", root.node), *root.below):
            digest.update(_describe(path, node, ids))
    return Taken(roots, digest.digest(), ids)


class _Finder:
    """Turns the sources of a request into roots."""

    def __init__(self, source: Source, request: CopyRequest) -> None:
        self._source = source
        self._request = request
        self._exclude = ignoring(request.exclude)

    def roots(self) -> Iterator[Root]:
        request = self._request
        for text in request.sources:
            if text in request.trees:
                yield from _Finder(request.trees[text], request).root(b"")
            elif text in request.fetched:
                node = request.fetched[text]
                yield Root(address_name(text), node, may_unpack=request.unpack_fetched)
            elif request.parents:
                yield from self._with_parents(text)
            else:
                for path in self._matches(text):
                    yield from self.root(path)
        for name, data in request.inline:
            metadata = Metadata(0o644, 0, 0, request.now)
            yield Root(os.fsencode(name), Node(Kind.FILE, metadata, content=Held(data)))

    def _matches(self, text: str) -> list[bytes]:
        """The paths that a source means: itself, or all that fit a pattern."""
        parts = clean(text).split("/")
        literal = tuple(takewhile(lambda part: not has_wildcards(part), parts))
        rest = parts[len(literal) :]
        found = [os.fsencode("/".join(literal))]
        if not rest:
            return found
        found = [resolved(self._source, found[0])]
        for part in rest:
            pattern = Pattern(part)
            found = [
                joined(path, name)
                for path in found
                if self._is_directory(path)
                for name in self._source.names(path)
                if pattern.matches(as_text(name))
            ]
        return found

    def _is_directory(self, path: bytes) -> bool:
        node = self._source.find(path)
        return node is not None and node.kind is Kind.DIRECTORY

    def root(self, path: bytes) -> Iterator[Root]:
        """What stands at a path, unless it is a file that is excluded."""
        name = path.rpartition(b"/")[2]
        place = resolved(self._source, path)
        node = self._source.find(place)
        if node is None:
            raise _missing(os.fsdecode(path))
        if node.kind is Kind.DIRECTORY:
            below = remaining(partial(self._source.walk, place), self._exclude)
            yield Root(name, node, tuple(below))
        elif not self._exclude.matches(name):
            yield Root(name, node, may_unpack=self._request.unpack)

    def _with_parents(self, text: str) -> Iterator[Root]:
        """What fits a pattern, with the directories that lead there, from `/./` on."""
        base, pivot, pattern = text.partition("/./")
        if not pivot:
            base, pattern = "", text
        wanted = only(clean(pattern) or "**")
        for path in self._matches(base):
            place = resolved(self._source, path)
            node = self._source.find(place)
            if node is None or node.kind is not Kind.DIRECTORY:
                raise _missing(base)
            found = partial(remaining, partial(self._source.walk, place), wanted, None)
            below = tuple(remaining(found, self._exclude))
            if not below and not has_wildcards(text) and not self._exclude:
                raise _missing(text)
            yield Root(b"", node, below)


def _missing(path: str) -> NotInSource:
    return NotInSource(
        f"there is no '{path}' to copy",
        hint="a source is a path in the build context, without what its .dockerignore leaves out",
    )


def clean(path: str) -> str:
    """A path below the top, without `.` and `..`: there is nothing above the top."""
    return posixpath.normpath("/" + path).lstrip("/")


def is_address(text: str) -> bool:
    """Whether a source is fetched."""
    return text.startswith(("http://", "https://", "git://", "git@", "ssh://"))


def is_repository(address: str) -> bool:
    """Whether an address is that of a Git repository, and not of a file."""
    if address.startswith(("git@", "ssh://", "git://", "github.com/")):
        return True
    plain = address.partition("#")[0].rstrip("/")
    return plain.startswith(("http://", "https://")) and plain.endswith(".git")


def address_name(address: str) -> bytes:
    """The last name of an address's path; none where it has no path."""
    from urllib.parse import unquote_to_bytes, urlsplit

    name = unquote_to_bytes(posixpath.basename(urlsplit(address).path))
    return b"" if name in (b".", b"..") or b"/" in name or b"\0" in name else name


@contextmanager
def _told(path: bytes | None = None) -> Iterator[None]:
    """Say in words which file may not be read."""
    try:
        yield
    except PermissionError as error:
        name = error.filename if path is None else path
        raise Unreadable(
            f"'{os.fsdecode(name or b'?')}' in the build context cannot be read: permission denied",
            hint="a line in the .dockerignore leaves it out",
        ) from None


def _describe(path: bytes, node: Node, ids: dict[int, ObjectID]) -> bytes:
    """One thing as the digest has it; the id of its content goes into `ids`, unless it is there."""
    metadata = node.metadata
    oid = b""
    if node.content is not None:
        content = node.content
        if id(content) not in ids:
            with _told(path):
                ids[id(content)] = _content_id(content)
        oid = ids[id(content)]
    return _record(
        path,
        node.kind.value.encode(),
        b"%o %d %d" % (metadata.mode, metadata.uid, metadata.gid),
        oid,
        node.target,
        b"%d:%d" % (node.rdev or (0, 0)),
        *(part for item in metadata.xattrs for part in item),
    )


def _record(*parts: bytes) -> bytes:
    """Parts that no other parts look like when they are put together."""
    return b"%d " % len(parts) + b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _content_id(content: Content) -> ObjectID:
    if isinstance(content, Stored):
        return content.oid
    if content.size > CHUNK:
        return hash_content(content)
    return hash_trusted(ObjectType.BLOB, content.whole())
