"""A stopped container is put on another commit, back to its own, or some of its paths are.

All of these say what the container is to stand on and what it is to show; `placing` sees to it.
"""

from __future__ import annotations

from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.merging import changes_of, replace_paths
from lxgit.operations.changed import only_changed
from lxgit.operations.containerrows import row_of
from lxgit.operations.creating import image_label
from lxgit.operations.finding import find_container_id
from lxgit.operations.lookup import classify, clean_path, find_commit, image_of
from lxgit.operations.placing import Aim, carried, keep, place, show, taken, written
from lxgit.operations.stashing import put_aside
from lxgit.operations.values import ContainerMoved, ContainerReset
from lxgit.runtime.index import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.objects.ids import ObjectID
    from lxgit.operations.values import Identity
    from lxgit.operations.worktree import WorkTree
    from lxgit.progress import Progress
    from lxgit.repository import Repository


_UNCARRIED = "'lxgit commit' them to a branch of their own, 'restore' them, or '--stash'"


class ContainerChanged(LxgitError):
    """The container has changes that would be lost."""


class NotThere(LxgitError):
    """Neither the container nor the commit has such a path."""


def checkout_container(
    repository: Repository,
    revision: str,
    name: str,
    *,
    merge: bool = False,
    stash: bool = False,
    identity: Identity,
    progress: Progress,
) -> ContainerMoved:
    """Put a stopped container on another commit; its branch is the one that was named, if any.

    Its changes are carried over with `merge`, or with `stash` put away. ContainerRuns;
    ContainerChanged where it has some and neither is wanted, Conflicts where they cannot be carried
    over: then nothing has been done.
    """
    commit = find_commit(repository, revision)
    branch, shown_as = image_label(repository, revision, hex_id(commit))
    with taken(repository, name) as (tree, writer):
        old = tree.container
        changes = tree.compare().changes
        if changes and not (merge or stash):
            raise ContainerChanged(
                f"container '{old.config.name}' has changes",
                hint="'--merge' carries them over, '--stash' puts them away;"
                " or 'lxgit commit' or 'lxgit reset --hard' first",
            )
        shown, kept, put_away = None, None, None
        label = [old.config.branch or old.config.commit[:12], branch or hex_id(commit)[:12]]
        why = f"checkout: moving {old.config.name} from {label[0]} to {label[1]}"
        if changes and merge:
            onto = image_of(repository, commit)
            image = carried(tree, tree.parent, tree.image, onto, _UNCARRIED)
            shown = written(writer, old, image, commit, why, identity)
        if changes and stash:
            put_away = put_aside(repository, tree, writer, None, why, identity)
            was = from_hex(put_away.oid)
        else:
            was = keep(repository, tree, writer, "checkout", identity, then=shown)
            kept = _id_of(tree, was)
        aim = Aim(commit, branch, shown_as, shown)
        made = place(repository, tree, aim, was, why, identity=identity, progress=progress)
    return ContainerMoved(
        container=row_of(made),
        old=old.config.commit,
        new=hex_id(commit),
        branch=branch,
        carried=len(changes) if merge else 0,
        kept=kept,
        stashed=put_away,
    )


def container_to_reset(repository: Repository, text: str | None) -> str:
    """The id of the container of that name, or whose id begins so; with None as `only_changed`.

    AmbiguousContainer; NoSuchContainer, which of a commit says what moves a branch there.
    """
    if text is None:
        return only_changed(repository, "reset --hard").id
    try:
        return find_container_id(repository, text)
    except NoSuchContainer as error:
        with suppress(LxgitError):
            find_commit(repository, text)
            error.hint = (
                f"'lxgit branch -f NAME {text}' moves a branch there,"
                " 'lxgit undo' takes back the last command"
            )
        raise


def reset(
    repository: Repository, name: str, *, identity: Identity, progress: Progress
) -> ContainerReset:
    """Drop what a stopped container has changed. ContainerRuns."""
    with taken(repository, name) as (tree, writer):
        config = tree.container.config
        changes = tree.compare().changes
        was = keep(repository, tree, writer, "reset", identity)
        aim = Aim(from_hex(config.commit), config.branch, config.image, None)
        why = f"reset: {config.name}"
        made = place(repository, tree, aim, was, why, identity=identity, progress=progress)
    return ContainerReset(row_of(made), len(changes), _id_of(tree, was))


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

    What that has not goes. The other names that a file has there are linked to it again, but for
    those that have changed themselves. With no name the only changed container of HEAD's branch.
    NotThere, ContainerRuns.
    """
    if name is None:
        name = only_changed(repository, "restore", "CONTAINER:/PATH").id
    wanted = [clean_path(path) for path in paths]
    with taken(repository, name) as (tree, writer):
        image = tree.parent if source is None else _source(repository, source)
        for path in wanted:
            if image.entry(path) is None and tree.image.entry(path) is None:
                shown = path.decode("utf-8", "surrogateescape")
                raise NotThere(
                    f"there is no '/{shown}' in {source or 'the commit'}, nor here",
                    hint=f"'lxgit ls {tree.container.config.name}:/' lists what is here",
                )
        rootfs, links, apart = replace_paths(tree.objects, tree.objects, tree.image, image, wanted)
        shown_then = read_image(
            tree.objects, write_image(tree.objects, rootfs, links, tree.parent.config)
        )
        count = len(changes_of(tree.image, shown_then))
        if not count:
            return ContainerReset(row_of(tree.container), 0, None, apart)
        made, was = show(repository, tree, writer, shown_then, "restore", identity, progress)
    return ContainerReset(row_of(made), count, _id_of(tree, was), apart)


def _id_of(tree: WorkTree, kept: ObjectID) -> str | None:
    """The id of the commit of what a container was, if it had changes."""
    found = hex_id(kept)
    return found if found != tree.container.config.commit else None


def _source(repository: Repository, revision: str) -> Image:
    found = classify(repository, revision)
    if isinstance(found, bytes):
        return image_of(repository, found)
    raise NotThere(f"'{revision}' is a container", hint="--source takes a commit")
