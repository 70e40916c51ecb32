"""A root filesystem becomes a commit: from a tar archive or a directory.

The source becomes a tree in memory, while another process computes the ids of its contents. Then
three are at work: that one, a second that compresses into the pack, and a third that writes the
base layer that containers will run on. This one puts the trees together.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

from lxgit.errors import LxgitError
from lxgit.objects.intake import Intake
from lxgit.objects.limits import NO_LIMITS, Account, limits_for
from lxgit.operations.naming import branch_name, check_branch_name
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import IO

    from lxgit.objects.content import Content
    from lxgit.objects.filetree import FileTree
    from lxgit.objects.limits import Limits
    from lxgit.operations.values import Identity, Imported
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
    """The commit that an import makes. `trusted`: no stranger chose the content.

    `architecture` as uname(2) or dpkg calls it.
    """

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
    name = branch_name(name)
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
        return _opened_directory(repository, source, limits, progress)
    return opened_archive(repository, source, progress, limits)


@contextmanager
def _opened_directory(
    repository: Repository, path: Path, limits: Limits, progress: Progress
) -> Iterator[Source]:
    from lxgit.objects.scan import read_tree

    store = os.fsencode(os.path.relpath(repository.path.resolve(), path.resolve()))
    if store == b".":
        raise LxgitError(f"'{path}' is the store itself", hint="import what is to be in the image")
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def leaves_out(below: bytes) -> bool:
        if below != store:
            return False
        progress.warn(f"left out {path / os.fsdecode(below)}: it is the store")
        return True

    def read(_: Offer) -> FileTree:
        progress.phase(f"Reading {path}")
        try:
            tree, sockets = read_tree(fd, progress, skip=leaves_out)
        except OSError as error:
            if isinstance(error.filename, bytes):  # from the directory on
                error.filename = os.path.join(os.fsencode(path), error.filename)
            raise
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
    from lxgit.objects.tarsource import open_archive

    path, stream = (source, None) if isinstance(source, Path) else (None, source)
    with open_archive(path, stream, repository.scratch_dir) as archive:

        def read(offer: Offer) -> FileTree:
            from lxgit.objects.tarreader import read_tar  # while libgit2 is loaded

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
        from lxgit.operations.treecommit import commit_tree  # while the contents are hashed

        with repository.writing():
            return commit_tree(repository, writer, intake, tree, target, identity, progress)
