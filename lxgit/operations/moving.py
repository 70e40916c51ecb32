"""A stopped container is put elsewhere: on another commit, back to its own, or some of its paths.

All of these say what the container is to stand on and what it is to show; `_place` sees to it.
Order, so that a crash at any point leaves the container as it was or as it is to be: what it had is
kept as a commit; the new upper directory is written beside the old one; the record names both the
commit and the directory, and is replaced in one step; the old directory goes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.fsutil import remove_tree
from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.ids import ObjectType, from_hex, hex_id
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.merging import carry, changes_of, conflicts, replace_paths
from lxgit.objects.messages import add_trailers
from lxgit.operations.attached import keep_commit, pin_commit, row_of
from lxgit.operations.creating import image_label, materialised
from lxgit.operations.lookup import classify, clean_path, find_commit, find_container, image_of
from lxgit.operations.values import ContainerMoved, ContainerReset
from lxgit.operations.worktree import WorkTree, only_changed, open_work_tree
from lxgit.records import replace
from lxgit.runtime.containers import edited, other_ids, release_ids
from lxgit.runtime.newupper import other_name, remove_others, write_upper
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.idmap import IdMap

_SHOWN = 5  # conflicts that an error names


class ContainerRuns(LxgitError):
    """The container must be stopped first."""


class ContainerChanged(LxgitError):
    """The container has changes that would be lost."""


class Conflicts(LxgitError):
    """Paths that both the container and the new commit have changed; `paths` are all of them."""

    def __init__(self, paths: Sequence[bytes], hint: str) -> None:
        shown = ["/" + path.decode("utf-8", "surrogateescape") for path in paths[:_SHOWN]]
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        super().__init__(f"both have changed {', '.join(shown)}{more}", hint=hint)
        self.paths = tuple(paths)


class NotThere(LxgitError):
    """Neither the container nor the commit has such a path."""


class _Aim(NamedTuple):
    """What a container is to stand on, and what it is to show there; None: the commit itself."""

    commit: ObjectID
    branch: str | None
    image: str
    shown: Image | None


def checkout_container(
    repository: Repository,
    revision: str,
    name: str,
    *,
    merge: bool,
    identity: Identity,
    progress: Progress,
) -> ContainerMoved:
    """Put a stopped container on another commit; its branch is the one that was named, if any.

    ContainerRuns; ContainerChanged unless it is clean, or with `merge` Conflicts where its changes
    cannot be carried over: then nothing has been done.
    """
    commit = find_commit(repository, revision)
    branch, shown_as = image_label(repository, revision, hex_id(commit))
    with _taken(repository, name) as (tree, writer):
        old = tree.container
        if tree.is_changed and not merge:
            raise ContainerChanged(
                f"container '{old.config.name}' has changes",
                hint="'--merge' carries them over; 'lxgit commit' or 'lxgit reset --hard' first",
            )
        carried = _carried(repository, tree, commit) if tree.is_changed else None
        changes = tree.compare().changes if carried is not None else ()
        kept = _keep(repository, tree, writer, "checkout", identity)
        aim = _Aim(commit, branch, shown_as, carried)
        made = _place(repository, tree, aim, identity, progress)
    return ContainerMoved(
        row_of(made), old.config.commit, hex_id(commit), branch, len(changes), kept
    )


def reset(
    repository: Repository, name: str, *, identity: Identity, progress: Progress
) -> ContainerReset:
    """Drop what a stopped container has changed. ContainerRuns."""
    with _taken(repository, name) as (tree, writer):
        config = tree.container.config
        changes = tree.compare().changes
        kept = _keep(repository, tree, writer, "reset", identity)
        aim = _Aim(from_hex(config.commit), config.branch, config.image, None)
        made = _place(repository, tree, aim, identity, progress)
    return ContainerReset(row_of(made), len(changes), kept)


def restore(
    repository: Repository,
    name: str | None,
    paths: Sequence[bytes],
    source: str | None,
    *,
    identity: Identity,
    progress: Progress,
) -> ContainerReset:
    """Put paths of a stopped container back to what its commit has, or `source`.

    What that has not goes. With no name the only changed container of HEAD's branch. NotThere,
    ContainerRuns.
    """
    name = name or only_changed(repository, "restore").id
    wanted = [clean_path(path) for path in paths]
    with _taken(repository, name) as (tree, writer):
        config = tree.container.config
        image = tree.parent if source is None else _source(repository, source)
        for path in wanted:
            if image.entry(path) is None and tree.image.entry(path) is None:
                shown = path.decode("utf-8", "surrogateescape")
                raise NotThere(f"there is no '/{shown}' in {source or 'the commit'}, nor here")
        filesystem = replace_paths(tree.objects, tree.objects, tree.image, image, wanted)
        shown_then = read_image(
            tree.objects, write_image(tree.objects, *filesystem, tree.parent.config)
        )
        count = len(changes_of(tree.image, shown_then))
        if not count:
            return ContainerReset(row_of(tree.container), 0, None)
        kept = _keep(repository, tree, writer, "restore", identity)
        aim = _Aim(from_hex(config.commit), config.branch, config.image, shown_then)
        made = _place(repository, tree, aim, identity, progress)
    return ContainerReset(row_of(made), count, kept)


def _source(repository: Repository, revision: str) -> Image:
    found = classify(repository, revision)
    if isinstance(found, bytes):
        return image_of(repository, found)
    raise NotThere(f"'{revision}' is a container", hint="--source takes a commit")


@contextmanager
def _taken(repository: Repository, name: str) -> Iterator[tuple[WorkTree, PackWriter]]:
    """A stopped container's files, ours and written to the store. ContainerRuns."""
    with edited(find_container(repository, name)) as container:
        if container.is_running:
            raise ContainerRuns(
                f"container '{container.config.name}' is running",
                hint=f"'lxgit stop {container.config.name}' first",
            )
        with (
            container.lock(),
            repository.writing(),
            repository.objects.writer() as writer,
            open_work_tree(repository, container, writer) as tree,
        ):
            yield tree, writer


def _carried(repository: Repository, tree: WorkTree, commit: ObjectID) -> Image:
    """What the container shows on the new commit. Conflicts."""
    onto = image_of(repository, commit)
    ours, theirs = changes_of(tree.parent, tree.image), changes_of(tree.parent, onto)
    if paths := conflicts(ours, tree.image, theirs, onto):
        raise Conflicts(paths, hint="'lxgit commit' them to a branch of their own, or 'restore'")
    filesystem = carry(tree.objects, tree.objects, ours, tree.image.links, onto)
    return read_image(tree.objects, write_image(tree.objects, *filesystem, onto.config))


def _keep(
    repository: Repository, tree: WorkTree, writer: PackWriter, verb: str, identity: Identity
) -> str | None:
    """Make what the container is durable, as a commit that gc leaves alone; None: no change."""
    container = tree.container
    parent = from_hex(container.config.commit)
    oid = parent
    if tree.is_changed:
        message = add_trailers(
            f"{container.config.name} before {verb}\n", [("Container", container.id)]
        )
        commit = Commit(tree.image.tree, (parent,), identity.author, identity.committer, message)
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
    with writer.finish():
        keep_commit(repository, container.id, oid, identity, f"before {verb}")
    return hex_id(oid) if oid != parent else None


def _place(
    repository: Repository, tree: WorkTree, aim: _Aim, identity: Identity, progress: Progress
) -> Container:
    container = tree.container
    base = image_of(repository, aim.commit)
    ids = container.config.idmap
    stack = None
    if hex_id(aim.commit) != container.config.commit:
        with repository.lock("layers", shared=True, what="the cache of layers"):
            stack = materialised(repository, aim.commit, base, progress)
        ids = _ids_for(repository, container, stack.outside_range)
    config = replace(
        container.config,
        commit=hex_id(aim.commit),
        branch=aim.branch,
        image=aim.image,
        base=None,
        upper=other_name(container),
        idmap=ids,
    )
    pin_commit(repository, container.id, config.commit, identity, base=container.mounted)
    if aim.shown is not None and aim.shown.filesystem != base.filesystem:
        write_upper(repository.objects, container.path / config.upper, config.ids, base, aim.shown)
    remove_tree(container.path / "init")  # made for what was mounted below it
    placed = container.configured(config)
    remove_others(placed)
    if ids != container.config.idmap:
        remove_tree(container.path / "work")  # it is the old root's
        release_ids(container)
    pin_commit(repository, container.id, config.commit, identity)
    return placed


def _ids_for(
    repository: Repository, container: Container, outside_range: Sequence[int]
) -> IdMap | None:
    """The container's ids, or others where the new image has some that they do not cover."""
    ids = container.config.idmap
    if ids is None or all(ids.covers(number) for number in outside_range):
        return ids
    return other_ids(repository.containers_dir, container.id, outside_range)
