"""An image of a layout becomes commits: what `pull` and `load` share.

Each entry of its history is one commit, which says what the image says and nothing else, so the
same image is the same commits in each store. The contents of the layers go straight into one pack,
by the processes that imports have (objects/intake). Layers that are known are not read. Nothing is
left of an image that turns out to be none.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from lxgit.errors import LxgitError
from lxgit.objects.changeset import apply
from lxgit.objects.commits import encode_commit
from lxgit.objects.content import SparseSlice
from lxgit.objects.entries import Entry
from lxgit.objects.extent import MAX_ENTRIES, TooManyEntries
from lxgit.objects.filetree import FileTree
from lxgit.objects.ids import ObjectType
from lxgit.objects.image import Image, write_root
from lxgit.objects.imageconfig import architecture_name, encode_config
from lxgit.objects.intake import Intake
from lxgit.objects.limits import Account, Limits, TooLarge, limits_besides
from lxgit.objects.links import Links, encode_links
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scratch import ScratchObjects
from lxgit.objects.treebuilder import TreeBuilder
from lxgit.oci.history import entries
from lxgit.oci.layerreader import Borrowed, opened_layer, read_layer, settle, without_markers
from lxgit.operations.knownlayers import known_layers, remember
from lxgit.operations.lookup import image_of
from lxgit.operations.treecommit import publish_layer, start_layer
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.objects.changeset import Changeset
    from lxgit.objects.content import Content, Slice
    from lxgit.objects.filetree import Node
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.objects.packwriter import PackWriter
    from lxgit.oci.config import ImageFacts
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.treelayer import TreeLayer

    Files = tuple[ObjectID, Links]


_MOST_ENTRIES = 2 * MAX_ENTRIES
"""Of all layers of an image, a file counted once more than a directory."""

_MOST_CONFIGS = 512 << 20
"""Bytes of what the steps of a history make of the config: 1,000 of them that fill it evenly."""

_MOST_TREES = 1 << 30
"""Bytes of directories, written anew by each layer that changes them, and held in memory."""


class WrongLayer(LxgitError):
    """A layer that is not the one that the image's config names."""


class Parts(NamedTuple):
    """An image on its way in.

    `layer(n)` is where the n-th layer is, the lowest 0; it may wait for it. `sources` are the open
    files that those have which are there already.
    """

    facts: ImageFacts
    layer: Callable[[int], Slice]
    sources: tuple[int, ...] = ()


@contextmanager
def committed(
    repository: Repository, parts: Parts, limits: Limits, progress: Progress
) -> Iterator[ObjectID]:
    """The commit that an image comes to, durable; gc leaves it alone while the context lasts.

    Then, unless that raised, its layer is made, where this user can. WrongLayer; InvalidArchive,
    InvalidPath, TooDeep, TooLarge name what a layer cannot have; errors of `parts.layer`.
    """
    _warn(parts.facts, progress)
    with repository.writing(), ExitStack() as stack:
        known = known_layers(repository, parts.facts.diff_ids)
        writer = stack.enter_context(repository.objects.writer())
        objects = _Objects(repository, writer, limits)
        unpacker = None
        if len(known) < len(parts.facts.diff_ids):
            unpacker = stack.enter_context(
                _unpacking(repository, writer, objects, parts, limits, progress)
            )
        made = _Maker(repository, objects, unpacker, known).make(parts)
        progress.phase("Writing to Git")
        stack.enter_context(writer.finish())
        remember(repository, made.unpacked)
        yield made.tip
        image = image_of(repository, made.tip)
        if unpacker is not None and unpacker.base is not None:
            publish_layer(unpacker.base, image, progress)
        elif os.geteuid() == 0:
            _materialise(repository, image, made.tip, progress)


def _warn(facts: ImageFacts, progress: Progress) -> None:
    if facts.forgotten:
        progress.warn("the image's history does not match its layers, and is left out")
    machine = architecture_name(os.uname().machine)
    if facts.config.architecture not in ("", machine):
        progress.warn(f"the image is for {facts.config.architecture}, and this is {machine}")


def _materialise(repository: Repository, image: Image, tip: ObjectID, progress: Progress) -> None:
    from lxgit.operations.creating import materialised

    with repository.layers_lock(shared=True):
        materialised(repository, tip, image, progress)


class _Made(NamedTuple):
    """The last commit of an image, and the commits of the layers that were not known."""

    tip: ObjectID
    unpacked: list[tuple[str, ObjectID]]


class _Objects(ScratchObjects):
    """What an image is but for contents. It is counted: what says little may make much of it.

    A layer with one file writes a large directory anew, and a step a large config.
    """

    def __init__(self, repository: Repository, writer: PackWriter, limits: Limits) -> None:
        super().__init__(repository.objects, writer)
        self._writer: PackWriter = writer
        self._account = Account(limits_besides(limits), "its configs and directories take")
        self._kept = 0

    def add(self, kind: ObjectType, data: bytes) -> ObjectID:
        """Keep an object, and write it. TooLarge."""
        before = len(self._added)
        oid = super().add(kind, data)
        if len(self._added) > before:
            self._account.add(len(data), len(data))
            self._kept += len(data)
            if self._kept > _MOST_TREES:
                raise TooLarge(
                    f"the image's layers write more than {_MOST_TREES:,} bytes of directories",
                    hint="no image that somebody runs has so many: do not trust it",
                )
        return oid

    def write(self, kind: ObjectType, data: bytes) -> ObjectID:
        """Write what nobody reads before the image is there. TooLarge."""
        self._account.add(len(data), len(data))
        return self._writer.add(kind, data)


class _Maker:
    """Makes the commits of one image."""

    def __init__(
        self,
        repository: Repository,
        objects: _Objects,
        unpacker: _Unpacker | None,
        known: list[ObjectID],
    ) -> None:
        self._repository = repository
        self._objects = objects
        self._unpacker = unpacker
        self._known = known
        self._configs = 0  # bytes

    def make(self, parts: Parts) -> _Made:
        """All commits, from the first."""
        tip: ObjectID | None = None
        config: ImageConfig | None = None
        image = _nothing(self._objects)
        unpacked = []
        layers = 0
        for entry in entries(parts.facts):
            if entry.diff_id is not None:
                image = _image(self._objects, *self._files(parts, layers, entry.diff_id, image))
                layers += 1
            if entry.config is not config:
                config = entry.config
                config_id = self._config(config)
            tree = write_root(self._objects, image.rootfs, image.links_id, config_id)
            tip = self._objects.write(ObjectType.COMMIT, encode_commit(entry.commit(tree, tip)))
            if entry.diff_id is not None and layers > len(self._known):
                unpacked.append((entry.chain, tip))
        assert tip is not None
        return _Made(tip, unpacked)

    def _files(self, parts: Parts, number: int, diff_id: str, below: Image) -> Files:
        """The file system with one more layer."""
        if number < len(self._known):
            image = image_of(self._repository, self._known[number])
            return image.rootfs, image.links
        assert self._unpacker is not None
        return self._unpacker.unpack(parts.layer(number), diff_id, below)

    def _config(self, config: ImageConfig) -> ObjectID:
        data = encode_config(config)
        self._configs += len(data)
        if self._configs > _MOST_CONFIGS:
            raise TooLarge(
                f"the image's history makes more than {_MOST_CONFIGS:,} bytes of configs",
                hint="no image that somebody runs has so many: do not trust it",
            )
        return self._objects.write(ObjectType.BLOB, data)


def _data(content: Content) -> int:
    """Bytes without holes."""
    if isinstance(content, SparseSlice):
        return sum(size for _, size in content.segments)
    return content.size


def _nothing(objects: ScratchObjects) -> Image:
    """A root directory without anything in it."""
    builder = TreeBuilder(objects, objects)
    builder.put(b"", Entry(Kind.DIRECTORY, Metadata(0o755, 0, 0, 0)))
    return _image(objects, builder.write(), Links())


def _image(objects: ScratchObjects, rootfs: ObjectID, links: Links) -> Image:
    """What the next layer comes to lie on: a root filesystem and its links, and no config."""
    links_id = objects.add(ObjectType.BLOB, encode_links(links))
    return Image(objects, rootfs, links_id, links_id, rootfs)


@contextmanager
def _unpacking(
    repository: Repository,
    writer: PackWriter,
    objects: _Objects,
    parts: Parts,
    limits: Limits,
    progress: Progress,
) -> Iterator[_Unpacker]:
    """What unpacks layers, and the processes that help it."""
    spool = os.open(repository.scratch_dir, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with Intake(writer, spool, *parts.sources) as intake, ExitStack() as stack:
            yield _Unpacker(repository, objects, intake, spool, stack, parts, limits, progress)
    finally:
        os.close(spool)


class _Unpacker:
    """Unpacks layers into a pack, one over the other."""

    def __init__(
        self,
        repository: Repository,
        objects: _Objects,
        intake: Intake,
        spool: int,
        stack: ExitStack,
        parts: Parts,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self.base: TreeLayer | None = None
        self._repository = repository
        self._objects = objects
        self._intake = intake
        self._spool = spool
        self._stack = stack
        self._sources = parts.sources
        self._is_only = len(parts.facts.diff_ids) == 1
        self._limits = limits
        self._progress = progress
        self._entries = 0
        self._size = self._data = 0  # of the contents of this layer

    def unpack(self, part: Slice, diff_id: str, base: Image) -> Files:
        """The file system that a layer makes of another one."""
        self._progress.phase(f"Unpacking {diff_id.partition(':')[2][:12]}")
        # The processes that help have only the files that were open when they began.
        in_place = part.fd in self._sources
        with opened_layer(part, self._spool, in_place=in_place) as (archive, digest):
            read = read_layer(archive, self._progress, self._offer, self._limits)
            if digest() != diff_id:
                raise WrongLayer(
                    f"a layer is not {diff_id[:19]}, which the image's config names",
                    hint="fetch or write the image again",
                )
        if self._is_only and (root := without_markers(read)) is not None:
            tree = FileTree()
            tree.root = root
            self.base = start_layer(self._stack, self._repository, tree)
        self._count(len(read.nodes) + len(read.removed))
        self._spend()
        changes = settle(read, base)
        self._take(changes)
        return apply(changes, base, self._objects, self._entry)

    def _offer(self, content: Content) -> None:
        """A content of the layer, which another of the same layer may take the place of."""
        self._count(1)
        self._size += content.size
        self._data += _data(content)
        self._intake.offer(content)

    def _count(self, entries: int) -> None:
        """All layers together have a bound, for each takes memory until the image is there."""
        self._entries += entries
        if self._entries > _MOST_ENTRIES:
            raise TooManyEntries(
                f"the image's layers have more than {_MOST_ENTRIES:,} entries in all",
                hint="no image that somebody runs has so many: do not trust it",
            )

    def _spend(self) -> None:
        """What a layer has unpacked to, the next ones cannot."""
        limits = self._limits
        self._limits = Limits(limits.size - self._size, limits.data - self._data)
        self._size = self._data = 0

    def _take(self, changes: Changeset) -> None:
        contents = {
            id(node.content): node.content
            for node in changes.nodes.values()
            if node.content is not None
        }
        size = sum(content.size for content in contents.values())
        self._progress.phase("Writing to Git", size)
        self._intake.take(contents.values(), self._progress)

    def _entry(self, _: bytes, node: Node) -> Entry:
        if isinstance(node, Borrowed):
            assert node.entry is not None
            return node.entry
        oid = None
        if node.content is not None:
            oid = self._intake.oid(node.content)
        elif node.kind is Kind.SYMLINK:
            oid = self._objects.add(ObjectType.BLOB, node.target)
        return Entry(node.kind, node.metadata, oid, node.rdev)
