"""Any commit as a stack of layers, by the shortest way: what is there, a delta, or a base layer.

What writes layers is imported where one is written: most commands find theirs.
"""

from __future__ import annotations

import itertools

from lxgit.objects.image import Image
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.layers import DIRECTORY, LayerStore
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.objects.changes import Change
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.metadata import Metadata
    from lxgit.objects.sink import TreeSink
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.layers import FileSystem, Stack

MAX_DEPTH = 20
"""Layers of a mount before one is written that spans all but the base; each costs look-ups."""
_CANDIDATES = 8
_ALWAYS_DELTA = 500  # changes that are few whatever the size of the image
_NEAR = 250  # changes that a delta has written before the next candidate has been looked at
_DELTA_SHARE = 3  # a delta has at most a third of the entries


class _Differences(NamedTuple):
    """What differs, and what the directories on the way to it are."""

    changes: list[Change]
    passed: dict[bytes, Metadata]


class Materialiser:
    """Makes stacks of a store's commits, one process at a time."""

    def __init__(self, repository: Repository, progress: Progress) -> None:
        self._repository = repository
        self._database: ObjectDatabase = repository.objects
        self._progress = progress
        self.layers = LayerStore(repository.layers_dir)

    def stack(self, image: Image, near: Iterable[FileSystem] = ()) -> Stack:
        """A stack that shows the image, at most `MAX_DEPTH` layers.

        `near` are file systems that may be like it, those of its commit's parents say; they are
        asked for only when a layer is to be written. The caller holds the store's lock `layers`
        until the layers are mounted, against `prune`.
        """
        found = self.layers.find(image.filesystem)
        if found is not None and len(found.layers) <= MAX_DEPTH:
            return found
        with self._repository.lock("materialise", what="the cache of layers"):
            found = self.layers.find(image.filesystem)  # another process may have been faster
            if found is not None and len(found.layers) <= MAX_DEPTH:
                return found
            return self._build(image, found, near)

    def _build(self, image: Image, too_deep: Stack | None, near: Iterable[FileSystem]) -> Stack:
        if too_deep is not None:
            below = self.layers.stack(too_deep.base.id)
            found = self._few_changes(image, below)
            if found is not None:
                return self._delta_or_base(image, below, found)
        nearest = self._nearest(image, near)
        return self._base(image) if nearest is None else self._delta_or_base(image, *nearest)

    def _nearest(
        self, image: Image, near: Iterable[FileSystem]
    ) -> tuple[Stack, _Differences] | None:
        """The materialised stack that differs least, when it differs little enough, and in what.

        The first that is near is taken: looking for a nearer one would take longer than it saves.
        """
        best: tuple[Stack, _Differences] | None = None
        known = filter(None, map(self.layers.find, near))
        for stack in itertools.chain(known, self.layers.recent(_CANDIDATES)):
            below = stack if len(stack.layers) < MAX_DEPTH else self.layers.stack(stack.base.id)
            found = self._few_changes(image, below, len(best[1].changes) - 1 if best else None)
            if found is not None:
                best = below, found
                if len(found.changes) <= _NEAR:
                    break
        return best

    def _few_changes(
        self, image: Image, below: Stack, most: int | None = None
    ) -> _Differences | None:
        """The paths that differ, or None when a base layer costs no more, or there are more."""
        from lxgit.objects.diff import iter_differences

        limit = max(_ALWAYS_DELTA, below.top.entries // _DELTA_SHARE)
        if most is not None:
            limit = min(limit, most)
        before = self._shown(below.top.shows)
        passed: dict[bytes, Metadata] = {}
        changes = list(itertools.islice(iter_differences(before, image, passed), limit + 1))
        return _Differences(changes, passed) if len(changes) <= limit else None

    def _shown(self, shows: FileSystem) -> Image:
        """What a stack shows, as far as a diff looks: a file system without a config."""
        rootfs, links = shows
        return Image(self._database, rootfs, links, links, rootfs)

    def _delta_or_base(self, image: Image, below: Stack, found: _Differences) -> Stack:
        """A delta, or a base layer where that may hold what no inode of the store's does.

        Over a base in the directory form a time is cut off: another base would do no better.
        """
        from lxgit.runtime.directory_layer import UnwritableAttribute

        try:
            return self._delta(image, below, found, exact=below.base.form != DIRECTORY)
        except UnwritableAttribute:
            return self._base(image)

    def _delta(self, image: Image, below: Stack, found: _Differences, *, exact: bool) -> Stack:
        from lxgit.objects.delta import write_delta
        from lxgit.runtime.directory_layer import DirectoryWriter, is_hidden, words_for_lacks

        changes, passed = found
        self._progress.phase("Materialising the difference", len(changes))
        with self.layers.building() as built:
            with DirectoryWriter(self.layers.directory_in(built), exact=exact) as sink:
                write_delta(
                    self._database, image, changes, sink, is_hidden=is_hidden, passed=passed
                )
            for words in words_for_lacks(0, sink.retimed):
                self._progress.warn(words)
            return self.layers.publish(
                built,
                image.filesystem,
                below,
                idmap=IdMap.identity(),
                outside_range=sink.outside_range,
                entries=below.top.entries + sum(change.old is None for change in changes),
            )

    def _base(self, image: Image) -> Stack:
        from lxgit.objects.replay import replay_image
        from lxgit.runtime.baselayer import write_base
        from lxgit.runtime.holders import pinned_layers

        def fill(sink: TreeSink) -> None:
            replay_image(self._database, image, sink, self._progress)

        self._progress.phase("Materialising")
        # Those of an earlier boot: this one is in their place.
        self.layers.drop_absent(pinned_layers(self._repository))
        with self.layers.building() as built:
            written = write_base(self.layers, built, fill, self._database)
            for words in written.lacks:
                self._progress.warn(words)
            return self.layers.publish(
                built,
                image.filesystem,
                None,
                form=written.form,
                idmap=IdMap.identity(),
                outside_range=written.outside_range,
                entries=written.entries,
            )
