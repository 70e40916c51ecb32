"""A stopped container is put elsewhere: what it stands on, what it shows, or both.

Order, so that a crash at any point leaves the container as it was or as it is to be: what it had is
kept as a commit; the new upper directory is written beside the old one; the record names both the
commit and the directory, and is replaced in one step; the old directory goes.
"""

from __future__ import annotations

from contextlib import contextmanager

from lxgit.beneath import remove_tree
from lxgit.errors import LxgitError, some_of
from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.ids import ObjectType, from_hex, hex_id
from lxgit.objects.image import read_image, write_image
from lxgit.objects.merging import carry, changes_of, conflicts
from lxgit.objects.messages import add_trailers
from lxgit.operations.attached import record_placing
from lxgit.operations.creating import materialised
from lxgit.operations.lookup import find_container, image_of
from lxgit.operations.pins import keep_commit, pin_commit
from lxgit.operations.worktree import WorkTree, open_work_tree
from lxgit.records import replace
from lxgit.runtime.containers import edited
from lxgit.runtime.idranges import ids_beyond
from lxgit.runtime.newupper import other_name, remove_others, write_upper
from lxgit.runtime.registering import other_ids, release_ids
from lxgit.runtime.statcache import forget
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.idmap import IdMap


class ContainerRuns(LxgitError):
    """The container must be stopped first."""


class Conflicts(LxgitError):
    """Paths that both the container and the new commit have changed; `paths` are all of them."""

    def __init__(self, paths: Sequence[bytes], hint: str) -> None:
        shown = ["/" + path.decode("utf-8", "surrogateescape") for path in paths]
        super().__init__(f"both have changed {some_of(shown)}", hint=hint)
        self.paths = tuple(paths)


class Aim(NamedTuple):
    """What a container is to stand on, and a commit of what it is to show there.

    None for `shown`: the commit itself.
    """

    commit: ObjectID
    branch: str | None
    image: str
    shown: ObjectID | None


@contextmanager
def taken(repository: Repository, name: str) -> Iterator[tuple[WorkTree, PackWriter]]:
    """A stopped container's files, ours and written to the store. ContainerRuns."""
    with edited(find_container(repository, name)) as container:
        check_stopped(container)
        with (
            container.lock(),
            repository.writing(),
            repository.objects.writer() as writer,
            open_work_tree(repository, container, writer) as tree,
        ):
            yield tree, writer


def check_stopped(container: Container) -> None:
    """Raise ContainerRuns where it does."""
    if container.is_running:
        raise ContainerRuns(
            f"container '{container.config.name}' is running",
            hint=f"'lxgit stop {container.config.name}' first",
        )


def carried(tree: WorkTree, old: Image, new: Image, onto: Image, hint: str) -> Image:
    """`onto` with what changed from `old` to `new`: written. Conflicts, with the `hint`.

    `tree` is where the objects of all three are read.
    """
    ours, theirs = changes_of(old, new), changes_of(old, onto)
    if paths := conflicts(ours, new, theirs, onto):
        raise Conflicts(paths, hint)
    filesystem = carry(tree.objects, tree.objects, ours, new.links, onto)
    return read_image(tree.objects, write_image(tree.objects, *filesystem, onto.config))


def written(
    writer: PackWriter,
    container: Container,
    shown: Image,
    over: ObjectID,
    message: str,
    identity: Identity,
) -> ObjectID:
    """What a container is or is to be, as a commit over the one that it stands on then."""
    told = add_trailers(f"{message}\n", [("Container", container.id)])
    commit = Commit(shown.tree, (over,), identity.author, identity.committer, told)
    return writer.add(ObjectType.COMMIT, encode_commit(commit))


def keep(
    repository: Repository,
    tree: WorkTree,
    writer: PackWriter,
    verb: str,
    identity: Identity,
    *,
    then: ObjectID | None = None,
) -> ObjectID:
    """Have a container's files durable, as a commit; that which it stands on if it has no changes.

    A ref keeps it until the next such moment, and the reflog of that until it expires; that keeps
    `then`, too, a commit of what it is about to show.
    """
    container = tree.container
    oid = from_hex(container.config.commit)
    if tree.is_changed:
        message = f"{container.config.name} before {verb}"
        oid = written(writer, container, tree.image, oid, message, identity)
    with writer.finish():
        if then is not None:
            keep_commit(repository, container.id, then, identity, f"after {verb}")
        keep_commit(repository, container.id, oid, identity, f"before {verb}")
    return oid


def place(
    repository: Repository,
    tree: WorkTree,
    aim: Aim,
    was: ObjectID,
    message: str,
    *,
    identity: Identity,
    progress: Progress,
) -> Container:
    """Have the container of the tree stand and show what it is to.

    What it was is lost, but for `was`, a commit of that; `undo` calls it by the message.
    """
    container = tree.container
    base = image_of(repository, aim.commit)
    ids = container.config.idmap
    stack = None
    if hex_id(aim.commit) != container.config.commit:
        with repository.layers_lock(shared=True):
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
    pin_commit(repository, container, config.commit, identity, base=container.mounted)
    shown = base if aim.shown is None else image_of(repository, aim.shown)
    if shown.filesystem != base.filesystem:
        upper = container.path / config.upper
        for words in write_upper(repository.objects, upper, config.ids, base, shown):
            progress.warn(words)
    after = aim.commit if aim.shown is None else aim.shown
    record_placing(repository, container, config, (was, after), message, identity)
    remove_tree(container.path / "init")  # made for what was mounted below it
    container.forget_upper()
    placed = container.configured(config)
    if placed.upper.exists():
        placed.note_upper()
    remove_others(placed)
    forget(placed.path)
    if ids != container.config.idmap:
        remove_tree(container.path / "work")  # it is the old root's
        release_ids(container)
    pin_commit(repository, container, config.commit, identity)
    return placed


def show(
    repository: Repository,
    tree: WorkTree,
    writer: PackWriter,
    image: Image,
    verb: str,
    identity: Identity,
    progress: Progress,
) -> tuple[Container, ObjectID]:
    """Have a container show something else over the same commit; and a commit of what it was."""
    container = tree.container
    config = container.config
    commit = from_hex(config.commit)
    message = f"{verb}: {config.name}"
    then = written(writer, container, image, commit, message, identity)
    was = keep(repository, tree, writer, verb, identity, then=then)
    aim = Aim(commit, config.branch, config.image, then)
    made = place(repository, tree, aim, was, message, identity=identity, progress=progress)
    return made, was


def _ids_for(
    repository: Repository, container: Container, outside_range: Sequence[int]
) -> IdMap | None:
    """The container's ids, or others where the new image has some that they do not cover."""
    config = container.config
    if config.idmap is None or all(config.idmap.covers(number) for number in outside_range):
        return config.idmap
    wanted = (*outside_range, *ids_beyond(config.user, config.groups))
    return other_ids(repository.containers_dir, container.id, wanted)
