"""A root filesystem becomes a commit: from a tar archive or a directory.

The source becomes a tree in memory, while another process computes the ids of its contents. Then
three are at work: that one, a second that compresses into the pack, and a third that writes the
base layer that containers will run on. This one puts the trees together.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.ids import ObjectType, hex_id
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.ingest import write_tree
from lxgit.objects.intake import Intake
from lxgit.objects.limits import NO_LIMITS, Account, limits_for
from lxgit.objects.messages import clean_message
from lxgit.operations.naming import branch_ref, check_branch_name
from lxgit.operations.values import Imported
from lxgit.records import dataclass
from lxgit.runtime.directory_layer import words_for_hidden
from lxgit.runtime.layers import LayerStore
from lxgit.runtime.treelayer import LayerFailed, TreeLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from lxgit.objects.content import Content
    from lxgit.objects.filetree import FileTree
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.limits import Limits
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository

    Offer = Callable[[Content], None]
    """Called with each content that is met, so that it can be hashed meanwhile."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a root filesystem comes from.

    `fd` is what its contents are read from, the archive or the directory; `read` gives the tree.
    """

    fd: int
    read: Callable[[Offer], FileTree]


@dataclass(frozen=True, slots=True)
class Target:
    """The commit that an import makes. `trusted`: no stranger chose the content."""

    branch: str
    message: str
    orphan: bool = False
    trusted: bool = False
    architecture: str = ""


def import_image(
    repository: Repository,
    source: Path | IO[bytes],
    name: str,
    *,
    orphan: bool = False,
    message: str | None = None,
    max_size: int | None = None,
    identity: Identity,
    progress: Progress,
) -> Imported:
    """Import a tar archive (a file or a stream) or a directory as a commit on the branch `name`.

    Its contents may have `max_size` bytes, holes included; None is what the store has free.

    InvalidArchive, InvalidPath, TooDeep, TooLarge name what the source cannot have; OSError as
    the system has it. Nothing is left of a failed import.
    """
    name = name.removesuffix(":latest")
    check_branch_name(repository, name)
    told = source.name if isinstance(source, Path) else "standard input"
    target = Target(name, message or f"Import {told}", orphan, architecture=os.uname().machine)
    limits = limits_for(repository.scratch_dir, max_size)
    with _opened(repository, source, limits, progress) as opened:
        return commit_source(repository, opened, target, identity, progress)


def _opened(
    repository: Repository, source: Path | IO[bytes], limits: Limits, progress: Progress
) -> AbstractContextManager[Source]:
    if isinstance(source, Path) and source.is_dir():
        return _opened_directory(source, limits, progress)
    return opened_archive(repository, source, progress, limits)


@contextmanager
def _opened_directory(path: Path, limits: Limits, progress: Progress) -> Iterator[Source]:
    from lxgit.objects.scan import read_tree

    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def read(_: Offer) -> FileTree:
        progress.phase(f"Reading {path}")
        tree, sockets = read_tree(fd, progress)
        Account(limits).add(tree.size(), 0)
        if sockets:
            progress.warn(f"left out {sockets} sockets: they live only while a program runs")
        return tree

    try:
        yield Source(fd, read)
    finally:
        os.close(fd)


@contextmanager
def opened_archive(
    repository: Repository,
    source: Path | IO[bytes],
    progress: Progress,
    limits: Limits = NO_LIMITS,
) -> Iterator[Source]:
    """A tar archive; its contents can be read while the context lasts."""
    from lxgit.objects.tarreader import read_tar
    from lxgit.objects.tarsource import open_archive

    path, stream = (source, None) if isinstance(source, Path) else (None, source)
    with open_archive(path, stream, repository.scratch_dir) as archive:

        def read(offer: Offer) -> FileTree:
            progress.phase("Reading the archive")
            return read_tar(archive, progress, offer, limits)

        yield Source(archive.fd, read)


def commit_source(
    repository: Repository,
    source: Source,
    target: Target,
    identity: Identity,
    progress: Progress,
) -> Imported:
    """Write a source as a commit on a branch, and as a base layer where this user can make one."""
    with (
        repository.objects.writer(trusted=target.trusted) as writer,
        Intake(writer, source.fd) as intake,
    ):
        tree = source.read(intake.offer)
        with repository.writing():
            return _commit(repository, writer, intake, tree, target, identity, progress)


def _commit(
    repository: Repository,
    writer: PackWriter,
    intake: Intake,
    tree: FileTree,
    target: Target,
    identity: Identity,
    progress: Progress,
) -> Imported:
    ref = branch_ref(target.branch)
    tip = repository.refs.read(ref)
    parent = None if target.orphan else tip
    before = _image(repository, parent)
    config = before.config if before is not None else _config(tree, target)
    with ExitStack() as stack:
        layer = _start_layer(stack, repository, tree)
        progress.phase("Writing to Git", tree.size())
        rootfs = write_tree(writer, intake, tree, progress)
        image = write_image(writer, rootfs, tree.links(), config)
        oid = parent
        if before is None or before.tree != image:
            parents = (parent,) if parent is not None else ()
            message = clean_message(target.message)
            commit = Commit(image, parents, identity.author, identity.committer, message)
            oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        packed = stack.enter_context(writer.finish())
        assert oid is not None
        became_head = False
        if oid != parent:
            became_head = _adopt_as_head(repository, ref, identity)  # HEAD names no other then
            repository.refs.update(
                ref, oid, old=tip, message=f"import: {target.message}", who=identity.committer
            )
            packed.release()
        # After the ref: of an import that fails nothing more is to be said, nor left.
        _publish_layer(layer, read_image(repository.objects, image), progress)
    if oid == parent:
        return Imported(hex_id(oid), target.branch, None, unchanged=True, became_head=False)
    return Imported(
        hex_id(oid),
        target.branch,
        hex_id(parent) if parent is not None else None,
        unchanged=False,
        became_head=became_head,
    )


def _image(repository: Repository, commit: ObjectID | None) -> Image | None:
    """The image of a commit, if there is one; None for a commit of another tool's."""
    from lxgit.objects.commits import decode_commit

    if commit is None:
        return None
    tree = decode_commit(repository.objects.commit(commit)).tree
    return read_image(repository.objects, tree)


def _config(tree: FileTree, target: Target) -> ImageConfig:
    """What a new image wants to run: a shell."""
    shell = "/bin/bash" if tree.has_program(b"/bin/bash") else "/bin/sh"
    return ImageConfig(cmd=(shell,), architecture=target.architecture)


def _start_layer(stack: ExitStack, repository: Repository, tree: FileTree) -> TreeLayer | None:
    """Begin the base layer, in another process; only root can give files to others."""
    if os.geteuid() != 0:
        return None
    stack.enter_context(repository.lock("layers", shared=True, what="the cache of layers"))
    return stack.enter_context(TreeLayer(LayerStore(repository.layers_dir), tree))


def _publish_layer(layer: TreeLayer | None, image: Image, progress: Progress) -> None:
    if layer is None:
        return
    progress.phase("Finishing the layer")
    try:
        _, left_out = layer.publish(image.filesystem)
    except LayerFailed as error:
        progress.warn(error.message)
        return
    if left_out:
        progress.warn(words_for_hidden(left_out))


def _adopt_as_head(repository: Repository, ref: str, identity: Identity) -> bool:
    """The first branch of a store becomes HEAD."""
    head = repository.refs.head()
    if not isinstance(head, str) or repository.refs.read(head) is not None:
        return head == ref
    repository.refs.set_head(ref, message=f"checkout: first branch {ref}", who=identity.committer)
    return True
