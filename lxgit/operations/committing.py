"""`commit`: what a container changed becomes a commit, and its upperdir a layer.

That of a running container stays where it is, over the commit that is mounted below it: objects
alone are written. It stands still until they are, unless that is not wanted.

Order, so that a crash at any point loses nothing and leaves no repair to do: objects, then the ref,
then the container's record, then the layer. A commit that moved the ref and died before the
container knew is recognised by the next attempt, and adopted.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from lxgit.beneath import remove_tree
from lxgit.errors import LxgitError
from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.ids import ObjectID, ObjectType, from_hex, hex_id
from lxgit.objects.messages import add_trailers, clean_message, subject
from lxgit.objects.refnames import TAGS
from lxgit.operations.attached import record_container
from lxgit.operations.changed import NothingChanged, only_changed
from lxgit.operations.consolidating import consolidate
from lxgit.operations.containerrows import row_of
from lxgit.operations.destination import BranchMoved, Destination, destination_of, is_own
from lxgit.operations.lookup import find_container, image_of, read_commit
from lxgit.operations.naming import left_without_a_name, set_ref
from lxgit.operations.pausing import held
from lxgit.operations.pins import pin_commit, pinned
from lxgit.operations.values import CommitPlan, Committed
from lxgit.operations.worktree import WorkTree, open_work_tree
from lxgit.records import dataclass, replace
from lxgit.runtime.containers import edited
from lxgit.runtime.directory_layer import ids_outside_range
from lxgit.runtime.layers import LayerStore
from lxgit.runtime.statcache import forget
from lxgit.runtime.upper import drop_unrecorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.image import Image
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.comparison import Comparison
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What `commit [CONTAINER [NAME[:TAG]]]` asks for.

    `config` is what the image's is before the changes, None that of the parent; `changes` are
    instructions of a Dockerfile for it, `run` is the JSON of 2013. Without `pause` a running
    container goes on while its files are read.
    """

    container: str | None = None
    name: str | None = None
    force: bool = False
    allow_empty: bool = False
    config: ImageConfig | None = None
    changes: tuple[str, ...] = ()
    run: str | None = None
    pause: bool = True


def prepare_commit(repository: Repository, request: CommitRequest) -> CommitPlan:
    """Every refusal that can be known before there is a message; what would be committed."""
    container = _container(repository, request)
    destination = _destination(repository, container, request)
    with open_work_tree(repository, container) as tree:
        comparison = tree.compare()
        tree.image, _ = _configured(tree, request)
        _check_changed(tree, request, destination)
    return CommitPlan(
        row_of(container),
        destination.branch,
        destination.ref.removeprefix(TAGS) if destination.is_tag else None,
        comparison.changes,
    )


def commit(
    repository: Repository,
    request: CommitRequest,
    message: str,
    *,
    identity: Identity,
    progress: Progress,
) -> Committed:
    """Commit a container.

    NothingChanged, SeveralChanged, BranchMoved, NeedsName, NameTaken, BadInstruction; CannotFreeze
    and ChangingTooFast for a running one; UnmappedId for a file that belongs to nobody inside the
    container.
    """
    with edited(_container(repository, request)) as container:
        destination = _destination(repository, container, request)
        made = commit_to(repository, container, destination, request, message, identity, progress)
        container.tell("commit", imageID=made.oid)
    consolidate(repository, progress)
    if request.force:
        return made._replace(dropped=left_without_a_name(repository, destination.tip))
    return made


def commit_to(
    repository: Repository,
    container: Container,
    destination: Destination,
    request: CommitRequest,
    message: str,
    identity: Identity,
    progress: Progress,
) -> Committed:
    """Commit a container whose record the caller may change. Errors as `commit` has them."""
    with (
        repository.writing(),
        repository.objects.writer() as writer,
        _snapshot(repository, container, writer, request, progress) as tree,
    ):
        container = _caught_up(repository, container, tree, destination, identity)
        comparison = tree.compare()
        tree.image, ignored = _configured(tree, request)
        _check_changed(tree, request, destination)
        for key in ignored:
            progress.warn(f"an image has no place for {key}: left out")
        if tree.state.sockets:
            progress.warn(f"left out {len(tree.state.sockets)} sockets")
        parent = container.config.commit
        oid = _already_made(repository, container, tree, destination)
        if oid is None:
            oid = writer.add(
                ObjectType.COMMIT, encode_commit(_commit(container, tree, message, identity))
            )
        with writer.finish(), _pinned(repository, container, oid, identity):
            _move_ref(repository, destination, oid, message, identity)
        container = _follow(repository, container, tree, destination.branch, oid, identity)
    return _told(container, destination, parent, oid, comparison)


def _destination(
    repository: Repository, container: Container, request: CommitRequest
) -> Destination:
    return destination_of(repository, container, request.name, force=request.force)


def _container(repository: Repository, request: CommitRequest) -> Container:
    if request.container is None:
        return only_changed(repository, "commit")
    return find_container(repository, request.container)


@contextmanager
def _snapshot(
    repository: Repository,
    container: Container,
    writer: PackWriter,
    request: CommitRequest,
    progress: Progress,
) -> Iterator[WorkTree]:
    """The container's files as they are, written; those of a stopped one are ours meanwhile."""
    progress.phase("Committing")
    if not container.is_running:
        with container.lock(), open_work_tree(repository, container, writer) as tree:
            yield tree
        return
    with ExitStack() as still:
        if request.pause:
            still.enter_context(held(container))
        whole = not request.pause
        with open_work_tree(repository, container, writer, busy=True, whole=whole) as tree:
            still.close()
            yield tree


def _configured(tree: WorkTree, request: CommitRequest) -> tuple[Image, list[str]]:
    """The image with the config that was asked for; what was, and has no place there."""
    from lxgit.objects.instructions import apply_text

    config = tree.parent.config if request.config is None else request.config
    ignored: list[str] = []
    if request.run is not None:
        from lxgit.objects.config2013 import apply_json

        config, ignored = apply_json(config, request.run)
    for text in request.changes:
        config = apply_text(config, text)
    return tree.configured(config), ignored


def _caught_up(
    repository: Repository,
    container: Container,
    tree: WorkTree,
    destination: Destination,
    identity: Identity,
) -> Container:
    """The container on the commit that an attempt which did not end has made of it.

    If it has changed since then: else that commit is adopted (`_already_made`).
    """
    tip = destination.tip
    if tip is None or tip != pinned(repository, container.id):
        return container
    if tip == from_hex(container.config.commit) or not is_own(repository, container, tip):
        return container
    made = image_of(repository, tip)
    if made.filesystem == tree.image.filesystem:
        return container
    config = replace(
        container.config, commit=hex_id(tip), branch=destination.branch, base=container.mounted
    )
    record_container(repository, container, config, identity)
    container = container.configured(config)
    tree.move(container)
    return container


def _already_made(
    repository: Repository, container: Container, tree: WorkTree, destination: Destination
) -> ObjectID | None:
    """The commit that an attempt which did not end has moved the ref to."""
    tip = destination.tip
    if not is_own(repository, container, tip):
        return None
    assert tip is not None
    if read_commit(repository, tip).tree != tree.image.tree:
        raise BranchMoved(
            f"'{destination.branch}' has a commit of this container that it does not stand on",
            hint=f"'lxgit commit {container.config.name} NEWNAME' makes a branch of it",
        )
    return tip


def _check_changed(tree: WorkTree, request: CommitRequest, destination: Destination) -> None:
    is_new = request.name is not None and destination.tip is None
    changed = tree.is_changed or tree.image.config_id != tree.parent.config_id
    if not changed and not is_new and not request.allow_empty:
        raise NothingChanged(
            f"container '{tree.container.config.name}' has not changed",
            hint="--allow-empty makes a commit all the same",
        )


def _commit(container: Container, tree: WorkTree, message: str, identity: Identity) -> Commit:
    from lxgit.objects.shellwords import shell_line

    command = shell_line(container.config.command)
    told = add_trailers(clean_message(message), [("Container", container.id), ("Command", command)])
    parent = from_hex(container.config.commit)
    return Commit(tree.image.tree, (parent,), identity.author, identity.committer, told)


def _move_ref(
    repository: Repository,
    destination: Destination,
    oid: ObjectID,
    message: str,
    identity: Identity,
) -> None:
    if oid == destination.tip:
        return
    set_ref(
        repository,
        destination.ref,
        oid,
        old=destination.tip,
        message=f"commit: {subject(message)}",
        who=identity.committer,
    )


@contextmanager
def _pinned(
    repository: Repository, container: Container, oid: ObjectID, identity: Identity
) -> Iterator[None]:
    """Keep the new commit for the container: before the ref moves, since a full disk may refuse it.

    If the ref does not move after all, what was kept before is.
    """
    config = container.config
    pin = partial(pin_commit, repository, container)
    pin(hex_id(oid), identity, base=container.mounted)
    try:
        yield
    except BaseException:
        with suppress(LxgitError, OSError):  # fsck finds what is not kept
            pin(config.commit, identity, base=config.base)
        raise


def _follow(
    repository: Repository,
    container: Container,
    tree: WorkTree,
    branch: str | None,
    oid: ObjectID,
    identity: Identity,
) -> Container:
    """The container stands on the new commit; a stopped one's upperdir becomes its layer.

    On a full disk it becomes none, and the next start makes the layer from Git, as after a crash.
    """
    commit, base = hex_id(oid), container.mounted
    config = replace(container.config, commit=commit, branch=branch, base=base)
    record_container(repository, container, config, identity)
    container = container.configured(config)
    if tree.busy:
        return container
    try:
        return _settled(repository, container, tree, identity)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return container


def _settled(
    repository: Repository, container: Container, tree: WorkTree, identity: Identity
) -> Container:
    with repository.layers_lock(shared=True):
        _upper_to_layer(repository, container, tree)
    container = container.configured(replace(container.config, base=None))
    pin_commit(repository, container, container.config.commit, identity)
    return container


def _upper_to_layer(repository: Repository, container: Container, tree: WorkTree) -> None:
    """Rename the upperdir into the cache, on the stack of its base; without that, drop it."""
    if not container.upper.exists():
        return
    forget(container.path)
    container.forget_upper()
    remove_tree(container.path / "init")  # it would hide what the layer has of its directories
    layers = LayerStore(repository.layers_dir)
    assert container.config.base is not None
    base = image_of(repository, from_hex(container.config.base))
    below = layers.find(base.filesystem)
    with layers.building() as built:
        fd = os.open(container.upper, os.O_RDONLY | os.O_DIRECTORY)
        try:
            drop_unrecorded(fd, tree.state)
        finally:
            os.close(fd)
        os.rename(container.upper, layers.directory_in(built))
        if below is None or base.filesystem == tree.image.filesystem:
            return  # Git has it all; what is built goes with the context
        layers.publish(
            built,
            tree.image.filesystem,
            below,
            idmap=container.config.ids,
            outside_range=set().union(
                *(ids_outside_range(node.metadata) for node in tree.state.nodes.values())
            ),
            entries=below.top.entries + len(tree.state.nodes),
        )


def _told(
    container: Container,
    destination: Destination,
    parent: str,
    oid: ObjectID,
    comparison: Comparison,
) -> Committed:
    return Committed(
        oid=hex_id(oid),
        parent=parent,
        branch=container.config.branch,
        tag=destination.ref.removeprefix(TAGS) if destination.is_tag else None,
        changes=comparison.changes,
    )
