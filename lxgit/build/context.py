"""The build context: what COPY may take, and the Dockerfile with it.

It is a directory, or an archive that comes through a pipe or lies in a file, or there is none and
only a Dockerfile comes. Whoever made it may mean harm, so it is read as the root file systems of
containers are: nothing outside of the directory is opened, an archive goes through the one reader.
Nothing is read before an instruction asks for it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from lxgit.build.ignore import MAX_SIZE as MAX_IGNORE_FILE
from lxgit.build.ignore import Ignore, read_ignore
from lxgit.build.sources import Filtered, HostDirectory, TreeSource, resolved
from lxgit.errors import LxgitError
from lxgit.objects.filetree import FileTree
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from lxgit.build.sources import Source
    from lxgit.objects.tarsource import ArchiveFile
    from lxgit.progress import Progress

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"
MAX_DOCKERFILE = 1 << 20
"""Bytes."""


class NoDockerfile(LxgitError):
    """There is no Dockerfile where one should be, or nothing that could be one."""


class BadContext(LxgitError):
    """The build context cannot be used."""


@dataclass(frozen=True, slots=True)
class Context:
    """`source` is without what the .dockerignore leaves out; `name` is that of the Dockerfile."""

    dockerfile: bytes
    name: str
    source: Source
    host: HostDirectory | None = None
    """Where it is a directory: of its `sockets`, which were left out, whoever builds is told."""


@contextmanager
def directory_context(
    path: str, *, file: str | None = None, text: bytes | None = None
) -> Iterator[Context]:
    """The directory `path`, which stays open as long as the context.

    `file` is the path of a Dockerfile on the host, `text` one that has been read already; without
    them it is in the directory. NoDockerfile, BadContext, BadIgnoreFile; OSError.
    """
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise BadContext(
            f"'{path}' is no directory", hint="a build context is a directory, '-' or an address"
        ) from None
    try:
        source = HostDirectory(root)
        if text is not None:
            yield Context(text, "-", _without_ignored(source), source)
        elif file is None:
            yield _with_own_dockerfile(source, DOCKERFILE, host=source)
        elif (name := _below(path, file)) is not None:
            yield _with_own_dockerfile(source, name, host=source)
        else:
            rules = _beside(file)
            kept = _without_ignored(source) if rules is None else Filtered(source, rules)
            yield Context(_read_host_file(file), file, kept, source)
    finally:
        os.close(root)


def repository_context(source: HostDirectory, file: str | None) -> Context:
    """The files of a repository; `file` is the path of the Dockerfile among them."""
    return _with_own_dockerfile(source, file or DOCKERFILE, host=source)


@contextmanager
def archive_context(
    path: Path | None,
    stream: IO[bytes] | None,
    scratch: Path,
    *,
    file: str | None = None,
    progress: Progress,
) -> Iterator[Context]:
    """What lies in a file or comes from `stream`: an archive, or a Dockerfile alone.

    `file` is the path of the Dockerfile in the archive. InvalidArchive and its like; as above.
    """
    from lxgit.build.archives import begins_as_tar
    from lxgit.objects.limits import limits_for
    from lxgit.objects.tarheader import BLOCK
    from lxgit.objects.tarreader import read_tar
    from lxgit.objects.tarsource import open_archive

    with open_archive(path, stream, scratch) as archive:
        if begins_as_tar(archive.read(0, BLOCK)):
            tree = read_tar(archive, progress, limits=limits_for(scratch, None))
            yield _with_own_dockerfile(TreeSource(tree), file or DOCKERFILE)
        else:
            yield Context(_text(archive), "-", TreeSource(FileTree()))


def _text(archive: ArchiveFile) -> bytes:
    data = archive.read(0, MAX_DOCKERFILE + 1)
    if b"\0" in data or len(data) > MAX_DOCKERFILE:
        raise BadContext(
            "what comes is neither a Dockerfile nor a tar archive",
            hint="a tar may be plain, or compressed with gzip, bzip2, xz or zstd",
        )
    return data


def _with_own_dockerfile(
    source: Source, name: str, *, host: HostDirectory | None = None
) -> Context:
    dockerfile = read_in(source, name, MAX_DOCKERFILE)
    if dockerfile is None:
        raise NoDockerfile(
            f"the build context has no '{name}'", hint="'--file' names another, '-f -' reads it"
        )
    return Context(dockerfile, name, _without_ignored(source, f"{name}{IGNORE_FILE}"), host)


def _without_ignored(source: Source, *names: str) -> Source:
    """The source without what its .dockerignore leaves out, or what the first of `names` does."""
    for name in (*names, IGNORE_FILE):
        data = read_in(source, name, MAX_IGNORE_FILE)
        if data is not None:
            return Filtered(source, read_ignore(data, name))
    return source


def read_in(source: Source, name: str, limit: int) -> bytes | None:
    """The content of a file of a source, its links followed inside; None when there is none."""
    node = source.find(resolved(source, os.fsencode(name)))
    if node is None:
        return None
    if node.content is None:
        raise BadContext(f"'{name}' in the build context is a {node.kind.value}, not a file")
    if node.content.size > limit:
        raise BadContext(f"'{name}' in the build context has more than {limit >> 10} KiB")
    return node.content.whole()


def _below(directory: str, file: str) -> str | None:
    """The path of a file in a directory, by what its path says or where that leads; None elsewhere.

    Such a file may be as much a stranger's as the directory, whoever has named it.
    """
    above, name = os.path.split(file)
    for top, path in (
        (os.path.abspath(directory), os.path.abspath(file)),
        (os.path.realpath(directory), os.path.join(os.path.realpath(above), name)),
    ):
        if path.startswith(os.path.join(top, "")):
            return os.path.relpath(path, top)
    return None


def _beside(file: str) -> Ignore | None:
    """The rules that lie beside a Dockerfile of the host, which nobody has named."""
    name = f"{file}{IGNORE_FILE}"
    try:
        return read_ignore(_read_host_file(name, MAX_IGNORE_FILE, os.O_NOFOLLOW), name)
    except NoDockerfile:
        return None


def _read_host_file(path: str, limit: int = MAX_DOCKERFILE, flags: int = 0) -> bytes:
    """A file of the host outside of the context; of a FIFO what somebody writes there by now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except (FileNotFoundError, NotADirectoryError):
        raise NoDockerfile(f"there is no Dockerfile '{path}'") from None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise _no_file(path) from None
    try:
        kind = stat.S_IFMT(os.fstat(fd).st_mode)
        if kind != stat.S_IFREG and (kind != stat.S_IFIFO or flags):
            raise _no_file(path)
        os.set_blocking(fd, True)  # a shell's <(…) may take its time
        with open(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(fd)
    if len(data) > limit:
        raise BadContext(f"'{path}' has more than {limit >> 10} KiB")
    return data


def _no_file(path: str) -> BadContext:
    return BadContext(f"'{path}' is no file", hint="a Dockerfile is text, and a .dockerignore")
