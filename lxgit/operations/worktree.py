"""A container as a work tree: what it changed against its commit, and keeping that.

Its upperdir lies over the commit that it is mounted on (`base`), which may be behind the commit
that it is compared with (`commit`): after a crash in the middle of a commit, and where the commit
was made while it ran.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from lxgit.errors import LxgitError, quoted
from lxgit.lean import NANOSECONDS
from lxgit.objects.changeset import apply
from lxgit.objects.content import Below, SourceChanged
from lxgit.objects.diff import iter_differences
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID, ObjectType, from_hex
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.imagepaths import ImagePaths
from lxgit.objects.ingest import write_content
from lxgit.objects.limits import TooLarge, free_space
from lxgit.objects.metadata import Kind
from lxgit.objects.scratch import ScratchObjects, hash_content
from lxgit.operations.comparison import Comparison, Side, stored_side
from lxgit.operations.lookup import image_of
from lxgit.records import replace
from lxgit.runtime.containers import LostUpper, deleted, in_its_place
from lxgit.runtime.filetimes import restore_times
from lxgit.runtime.statcache import TICK, StatCache, Watched
from lxgit.runtime.upper import UpperState, read_upper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.objects.content import Content
    from lxgit.objects.filetree import Node
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.objects.links import Links
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import SizedChange
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


_ATTEMPTS = 5


class ChangingTooFast(LxgitError):
    """A running container does not stand still for a look at it."""


class Differing:
    """The files of a container that a commit has with another size, or not at all.

    Whoever asks what has changed need not read them: a hole in one has no end.
    """

    def __init__(self, repository: Repository, parent: Image, state: UpperState) -> None:
        self._objects = repository.objects
        self._paths = ImagePaths(parent)
        self._names: dict[int, list[bytes]] = {}
        for path, node in state.nodes.items():
            if node.content is not None:
                self._names.setdefault(id(node), []).append(path)

    def __contains__(self, node: Node) -> bool:
        return node.content is not None and not any(
            self._size(path) == node.content.size for path in self._names[id(node)]
        )

    def _size(self, path: bytes) -> int | None:
        entry = self._paths.entry(path)
        if not isinstance(entry, Entry) or entry.kind is not Kind.FILE or entry.oid is None:
            return None
        return self._objects.size(entry.oid)


class WorkTree:
    """The file system of a container as it is now, beside the commit that it is compared with."""

    def __init__(
        self,
        repository: Repository,
        container: Container,
        state: UpperState,
        writer: PackWriter | None,
        cache: StatCache,
        *,
        busy: bool = False,
        whole: bool = False,
        unread: bool = False,
    ) -> None:
        self.container = container
        self.state = state
        self.parent = image_of(repository, from_hex(container.config.commit))
        self._repository = repository
        self._writer = writer
        self._cache = cache
        self.busy = busy
        self._whole = whole
        self._differing = Differing(repository, self.parent, state) if unread else None
        self.objects = ScratchObjects(repository.objects, writer)
        self._nodes: dict[ObjectID, Node] = {}
        self._invented: set[ObjectID] = set()  # of contents that were not read
        self._filesystem = self._apply()
        self.image = self.configured(self.parent.config)

    def _apply(self) -> tuple[ObjectID, Links]:
        base = self.parent
        if self.container.mounted != self.container.config.commit:
            base = image_of(self._repository, from_hex(self.container.mounted))
        restore_times(self.state, base, self.container.path)
        return apply(self.state, base, self.objects, self._entry)

    def configured(self, config: ImageConfig) -> Image:
        """The image that a commit of the container with this config would have."""
        return read_image(self.objects, write_image(self.objects, *self._filesystem, config))

    def move(self, container: Container) -> None:
        """Compare with what the container stands on by now."""
        self.container = container
        self.parent = image_of(self._repository, from_hex(container.config.commit))

    def _entry(self, path: bytes, node: Node) -> Entry | None:
        """The entry of a node, written or only hashed; None when it is gone."""
        for _ in range(_ATTEMPTS):
            try:
                if not self._whole:
                    return self._entry_now(node)
                with _unchanged(node.content):
                    return self._entry_now(node)
            except SourceChanged:
                if not self.busy:
                    raise
                assert isinstance(node.content, Below)
                node.content = node.content.anew()
                if node.content is None:
                    return None
        name = self.container.config.name
        raise ChangingTooFast(
            f"container '{name}' changes {quoted(path)} while it is read",
            hint="try again, or when it has ended",
        )

    def _entry_now(self, node: Node) -> Entry:
        oid = None
        if self._differing is not None and node in self._differing:
            oid = ObjectID(os.urandom(20))
            self._invented.add(oid)
        elif node.content is not None:
            oid = self._content_id(node.content)
        elif node.kind is Kind.SYMLINK:
            oid = self.objects.add(ObjectType.BLOB, node.target)
        if oid is not None:
            self._nodes[oid] = node
        return Entry(node.kind, node.metadata, oid, node.rdev)

    def _content_id(self, content: Content) -> ObjectID:
        """The id of a file's content, which is read unless it is what it was the last time."""
        assert isinstance(content, Below)
        known = self._cache.find(content.found)
        if known is not None and self._is_written(known):
            return known
        watched = Watched(content)
        if self._writer is None:
            oid = hash_content(watched)
        else:
            oid = write_content(self._writer, watched)
        if watched.settled:
            self._cache.add(content.found, oid)
        return oid

    def _is_written(self, oid: ObjectID) -> bool:
        """Whether a blob is where it is to be, if that is anywhere."""
        writer = self._writer
        return writer is None or oid in writer or self._repository.objects.freshen(oid)

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to show: more than the mtimes of directories."""
        return any(change.listed for change in iter_differences(self.parent, self.image))

    def compare(self, paths: Iterable[bytes] = ()) -> Comparison:
        """The container against its commit."""
        return Comparison(self.parent_side(), self.side(), paths)

    def listed(self) -> tuple[SizedChange, ...]:
        """What differs; without the id of a content that was not read, and of trees above it."""
        changes = self.compare().changes
        nameless: set[bytes] = set()
        for change in (sized.change for sized in changes):
            if change.new is not None and change.new.oid in self._invented:
                nameless.update((change.path, *_above(change.path)))
        return tuple(_nameless(one) if one.change.path in nameless else one for one in changes)

    def parent_side(self) -> Side:
        """The commit's side of a comparison."""
        return stored_side(self._repository, self.parent)

    def side(self) -> Side:
        """The container's side of a comparison."""
        return Side(self.image, self)

    def size(self, oid: ObjectID) -> int:
        """A content's size in bytes, in the upperdir or in the store."""
        node = self._nodes.get(oid)
        if node is None:
            return self._repository.objects.size(oid)
        return node.content.size if node.content is not None else len(node.target)

    def stream(self, oid: ObjectID) -> Iterator[bytes]:
        """A content in chunks; SourceChanged when a running container changes it meanwhile."""
        node = self._nodes.get(oid)
        if node is None:
            return self._repository.objects.stream(oid)
        return node.content.chunks() if node.content is not None else iter((node.target,))

    def blob(self, oid: ObjectID) -> bytes:
        """A content, whole."""
        if oid in self._nodes:
            return b"".join(self.stream(oid))
        return self._repository.objects.blob(oid)


def _above(path: bytes) -> Iterator[bytes]:
    """The directories that lead to a path, the root too."""
    while path:
        path = path.rpartition(b"/")[0]
        yield path


def _nameless(sized: SizedChange) -> SizedChange:
    change = sized.change
    assert change.new is not None
    return sized._replace(change=replace(change, new=replace(change.new, oid=None)))


@contextmanager
def _unchanged(content: Content | None) -> Iterator[None]:
    """SourceChanged when the file has been written to while it was read.

    Times are those of the kernel's tick: a file that was written to in the last one is read later.
    What a process writes through a mapping moves them only when the page is written to first.
    """
    if not isinstance(content, Below):
        yield
        return
    if time.time_ns() - content.now().ctime < TICK:
        time.sleep(TICK / NANOSECONDS)
    before = content.now()
    if time.time_ns() - before.ctime < TICK:
        raise SourceChanged(f"{quoted(content.path)} has just been written to")
    yield
    if content.now() != before:
        raise SourceChanged(f"{quoted(content.path)} changed while it was read")


@contextmanager
def open_work_tree(
    repository: Repository,
    container: Container,
    writer: PackWriter | None = None,
    *,
    busy: bool | None = None,
    whole: bool = False,
    unread: bool = False,
) -> Iterator[WorkTree]:
    """Read a container's upperdir; its contents can be read while the context lasts.

    With a `writer`, what has changed is written to it. `busy` says that it may change meanwhile,
    None that it does if it runs. With `whole`, a file that a running container has written to while
    it was read is read again. ChangingTooFast when it changes its files under every attempt to read
    them; TooLarge for holes that nobody can wait for; LostUpper; NoSuchContainer when it is deleted
    meanwhile. With `unread`, contents are read only where their size does not tell that they differ
    from the commit's; what differs has an id that nothing else has.
    """
    with in_its_place(container):
        try:
            fd = os.open(container.upper, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # it has not been started since it was made or committed
            if container.has_lost_upper:
                raise LostUpper(container) from None
            none = UpperState()
            yield WorkTree(repository, container, none, writer, StatCache(), busy=bool(busy))
            return
        try:
            busy = container.is_running if busy is None else busy
            cache = StatCache.of(container.path)
            state = read_upper(fd, container.config.ids, busy=busy)
            if not unread:
                _require_ends(container, state, cache, free_space(fd))
            tree = WorkTree(
                repository, container, state, writer, cache, busy=busy, whole=whole, unread=unread
            )
            if busy or writer is None:  # else the upper directory is about to go
                cache.save(container.path)
            if container.is_deleted:  # what went before it was read looks like what it had removed
                raise deleted(container)
            yield tree
        finally:
            os.close(fd)


def _require_ends(container: Container, state: UpperState, cache: StatCache, room: int) -> None:
    """Raise TooLarge where more zeros would be read than there is room for, as from an archive.

    A file can have exabytes of them, and a GiB takes nine seconds of processor time.
    """
    holes = {
        path: size
        for path, size in state.holes.items()
        if not isinstance(found := state.nodes[path].content, Below)
        or cache.find(found.found) is None
    }
    size = sum(holes.values())
    if size > room:
        largest = quoted(b"/" + max(holes, key=holes.__getitem__))
        raise TooLarge(
            f"container '{container.config.name}' has files with holes of {size:,} bytes,"
            f" more than there is room for: {largest}",
            hint="they are read as zeros: remove the file, or make it shorter",
        )
