"""`cp`: files go between a container and the host, or a tar archive.

What a container shows is read and written through its own mounts, volumes included, and never
through a link that leads out: paths are resolved below its root, and what is below them is opened
with no link followed, whatever somebody in it does meanwhile.

Ownership is as `docker cp` documents it: what comes in belongs to the container's root, and what
goes out to whoever copies; with `archive` the numbers stay, as the container sees them. A tar keeps
everything either way. To the host go no devices, and without `archive` no setuid bits: they would
be a stranger's.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager

from lxgit.beneath import open_beneath
from lxgit.errors import LxgitError
from lxgit.objects.acl import ACCESS, DEFAULT
from lxgit.objects.content import SourceChanged, read_range
from lxgit.objects.filetree import IMPLIED
from lxgit.objects.limits import TooLarge, free_space, hole_in
from lxgit.objects.metadata import DEVICES, Kind, Metadata
from lxgit.objects.scan import GONE, read_inode, scan
from lxgit.objects.tarwriter import TarWriter
from lxgit.objects.xattrs import CAPABILITY
from lxgit.operations.containerroot import opened_root
from lxgit.records import replace
from lxgit.runtime.extracting import ExtractingWriter
from lxgit.runtime.fsids import making_files_for
from lxgit.runtime.idmap import IdMap, UnmappedId
from lxgit.runtime.rootfs import resolve
from lxgit.runtime.upper import image_metadata
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from lxgit.objects.scan import Inode
    from lxgit.objects.sink import TreeSink
    from lxgit.operations.exporting import ByteSink
    from lxgit.progress import Progress
    from lxgit.repository import Repository


_NOBODY = 65534
_PLAIN = (b"user.", CAPABILITY)
"""Attributes that name none of the host's users."""


class NoSuchPlace(LxgitError):
    """Nothing is where something should be copied from or to."""


class ReadOnlyPlace(LxgitError):
    """A root or a volume that is mounted for reading alone."""


class CopiedIntoItself(LxgitError):
    """The destination is among what is copied."""


class Place(NamedTuple):
    """A path of a container, or of the host where that is None. Both are absolute."""

    container: str | None
    path: bytes

    @property
    def shown(self) -> str:
        path = os.fsdecode(self.path)
        return path if self.container is None else f"{self.container}:{path}"

    @property
    def means_contents(self) -> bool:
        """Whether a directory's contents are meant, and not the directory: `/srv/.`."""
        return _base_name(self) in (b"", b".", b"..")

    @property
    def means_directory(self) -> bool:
        return self.path.endswith(b"/") or self.means_contents


class Rules(NamedTuple):
    """How metadata travels: whose the files are then, by default whoever copies."""

    archive: bool
    to_host: bool

    def applied(self, metadata: Metadata) -> Metadata:
        """What an entry gets at its destination, ids as the container sees them."""
        if self.archive and not self.to_host:
            return metadata
        if self.archive:
            known = (*_PLAIN, ACCESS, DEFAULT)
            xattrs = (item for item in metadata.xattrs if item[0].startswith(known))
            return replace(metadata, xattrs=tuple(xattrs))
        if self.to_host:
            mode = metadata.mode & ~(stat.S_ISUID | stat.S_ISGID)
            return replace(metadata, mode=mode, uid=os.geteuid(), gid=os.getegid(), xattrs=())
        xattrs = (item for item in metadata.xattrs if item[0].startswith(_PLAIN))
        return replace(metadata, uid=0, gid=0, xattrs=tuple(xattrs))


class _Source(NamedTuple):
    """What is copied: `directory` is open, and `name` in it, or all below where that is empty."""

    directory: int
    name: bytes
    ids: IdMap
    is_busy: bool

    @property
    def is_directory(self) -> bool:
        return not self.name


def copy(
    repository: Repository,
    source: Place,
    target: Place,
    *,
    archive: bool = False,
    follow: bool = False,
    progress: Progress,
) -> None:
    """Copy a file, or a directory with all below it; with `follow` what a link leads to.

    A target that is a directory takes it in; else it gets that name. One of the two is of a
    container. NoSuchPlace, CannotReplace, ReadOnlyPlace, CopiedIntoItself, NoSuchContainer,
    UnmappedId; OSError as the file systems have it.
    """
    rules = Rules(archive, target.container is None)
    with ExitStack() as stack:
        found = stack.enter_context(_opened(repository, source, progress, follow=follow))
        stack.enter_context(_writable(target))
        root, ids = stack.enter_context(opened_root(repository, target.container, progress))
        directory, prefix = _destination(root, target, source, found)
        stack.callback(os.close, directory)
        stack.enter_context(making_files_for(ids))
        writer = stack.enter_context(ExtractingWriter(directory, ids, progress.warn))
        _Copier(writer, found, prefix, rules, progress, os.fstat(directory)).run()


def copy_out(
    repository: Repository,
    source: Place,
    output: ByteSink,
    *,
    follow: bool = False,
    progress: Progress,
) -> None:
    """Write what is there as a pax archive, in which it has its own name."""
    with _opened(repository, source, progress, follow=follow) as found:
        writer = TarWriter(output.write)
        prefix = b"" if source.means_contents else _base_name(source)
        _Copier(writer, found, prefix, Rules(archive=True, to_host=False), progress).run()
        writer.finish()


def copy_in(
    repository: Repository, archive: BinaryIO, target: Place, *, progress: Progress
) -> None:
    """Extract an archive, plain or compressed, in a directory of a container.

    InvalidArchive and its like; TooLarge for more than the directory's file system has room for.
    """
    from lxgit.objects.limits import limits_for
    from lxgit.objects.tarreader import read_tar
    from lxgit.objects.tarsource import open_archive

    with _writable(target), ExitStack() as stack:
        root, ids = stack.enter_context(opened_root(repository, target.container, progress))
        directory = _open_directory(root, resolve(root, target.path))
        if directory is None:
            raise NoSuchPlace(
                f"'{target.shown}' is no directory", hint="an archive is extracted in one"
            )
        stack.callback(os.close, directory)
        opened = stack.enter_context(open_archive(None, archive, repository.scratch_dir))
        # A file system that counts no blocks is as large as it likes, and holes are worked through.
        counted = directory if os.statvfs(directory).f_blocks else repository.scratch_dir
        tree = read_tar(opened, progress, limits=limits_for(counted, None))
        stack.enter_context(making_files_for(ids))
        writer = stack.enter_context(ExtractingWriter(directory, ids, progress.warn))
        tree.replay(_WithoutRoot(writer))


@contextmanager
def _writable(target: Place) -> Iterator[None]:
    """Tell of a destination that cannot be written to by its name."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        raise ReadOnlyPlace(f"'{target.shown}' can only be read") from error


@contextmanager
def _opened(
    repository: Repository, place: Place, progress: Progress, *, follow: bool
) -> Iterator[_Source]:
    """What stands at a place. NoSuchPlace."""
    with opened_root(repository, place.container, progress) as (root, ids):
        path = place.path.rstrip(b"/")
        if follow or place.means_directory:
            path = resolve(root, path)
        else:
            above, _, name = path.rpartition(b"/")
            path = (resolve(root, above) + b"/" + name).strip(b"/")
        directory = _open_directory(root, path)
        name = b""
        if directory is None:
            above, _, name = path.rpartition(b"/")
            directory = _open_directory(root, above)
            if directory is None or place.means_directory or not _exists(directory, name):
                raise NoSuchPlace(f"there is no '{place.shown}'", hint=_where(place))
        try:
            yield _Source(directory, name, ids, place.container is not None)
        finally:
            os.close(directory)


def _where(place: Place) -> str:
    if place.container is None:
        return "this would be of the host; a path of a container is CONTAINER:/PATH"
    return f"'lxgit ls {place.container}:/' lists what it has"


def _open_directory(root: int, path: bytes) -> int | None:
    """The directory at a path without links; None when there is none."""
    try:
        return open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None


def _leads_through_file(root: int, path: bytes) -> bool:
    """Whether one of a path's names, which lead to no directory, is there as something else."""
    try:
        os.close(open_beneath(root, path, os.O_PATH))
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True
    return True


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _base_name(place: Place) -> bytes:
    return place.path.rstrip(b"/").rpartition(b"/")[2]


def _destination(root: int, target: Place, source: Place, found: _Source) -> tuple[int, bytes]:
    """An open directory, and the name that the source gets in it; none for its contents alone."""
    path = resolve(root, target.path)
    directory = _open_directory(root, path)
    if directory is not None:
        contents = found.is_directory and source.means_contents
        return directory, b"" if contents else _base_name(source)
    above, _, name = path.rpartition(b"/")
    directory = _open_directory(root, above)
    if directory is None:
        if _leads_through_file(root, above):
            hint = "name a directory, or the file, which is replaced then"
            raise NoSuchPlace(f"'{target.shown}' would be below a file", hint=hint)
        raise NoSuchPlace(f"there is no directory for '{target.shown}'", hint="make it first")
    if target.means_directory and not (found.is_directory and not _exists(directory, name)):
        os.close(directory)
        raise NoSuchPlace(f"'{target.shown}' is no directory")
    return directory, name


class _Copier:
    """Gives what a source has to a sink."""

    def __init__(
        self,
        sink: TreeSink,
        source: _Source,
        prefix: bytes,
        rules: Rules,
        progress: Progress,
        target: os.stat_result | None = None,
    ) -> None:
        self._sink = sink
        self._target = target
        self._source = source
        self._prefix = prefix
        self._rules = rules
        self._progress = progress
        self._first: dict[tuple[int, int], bytes] = {}
        self._left_out = self._holes = 0

    def run(self) -> None:
        self._progress.phase("Copying")
        directory, name = self._source.directory, self._source.name
        if name:
            self._put(name, read_inode(directory, name))
        else:
            for inode in scan(directory, busy=self._source.is_busy):
                self._put(inode.path, inode)
                self._progress.advance()
        if self._left_out:
            self._progress.warn(f"left out {self._left_out} sockets and devices")

    def _put(self, source: bytes, inode: Inode) -> None:
        path = b"/".join(part for part in (self._prefix, inode.path) if part)
        if inode.kind is None or (inode.kind in DEVICES and self._rules.to_host):
            self._left_out += 1
            return
        identity = inode.status.st_dev, inode.status.st_ino
        first = self._first.setdefault(identity, path)
        metadata = self._rules.applied(self._metadata(inode))
        if inode.kind is Kind.DIRECTORY:
            if self._target is not None and os.path.samestat(inode.status, self._target):
                raise CopiedIntoItself(f"'{os.fsdecode(path)}' would be copied into itself")
            if path or self._target is None:  # one that takes contents in stays as it is
                self._sink.directory(path, metadata)
        elif first != path:
            self._sink.link(path, first)
        elif inode.kind is Kind.FILE:
            self._put_file(source, path, metadata, identity)
        elif inode.kind is Kind.SYMLINK:
            self._sink.symlink(path, metadata, inode.target)
        else:
            self._sink.special(path, inode.kind, metadata, inode.rdev)

    def _put_file(
        self, source: bytes, path: bytes, metadata: Metadata, identity: tuple[int, int]
    ) -> None:
        """A file as long as it is when it is opened: it may be a log that grows."""
        try:
            fd = open_beneath(self._source.directory, source, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if not self._source.is_busy or error.errno not in GONE:
                raise
            del self._first[identity]
            return
        try:
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != identity:
                raise SourceChanged(
                    f"'{os.fsdecode(path)}' was replaced while it was read", hint="try again"
                )
            self._count_hole(path, status)
            self._sink.file(path, metadata, status.st_size, read_range(fd, 0, status.st_size))
        finally:
            os.close(fd)

    def _count_hole(self, path: bytes, status: os.stat_result) -> None:
        """Raise TooLarge for more zeros from a container than there is room for."""
        self._holes += hole_in(status)
        if self._source.is_busy and self._holes > free_space(self._source.directory):
            holes = f"holes of {hole_in(status):,} bytes"
            raise TooLarge(
                f"'{os.fsdecode(path)}' has {holes}, more than there is room for",
                hint="they are read as zeros",
            )

    def _metadata(self, inode: Inode) -> Metadata:
        """Ids as the container sees them; nobody's for an owner that it does not know."""
        try:
            return image_metadata(inode, self._source.ids)
        except UnmappedId:
            mode = stat.S_IMODE(inode.status.st_mode)
            return Metadata(mode, _NOBODY, _NOBODY, inode.status.st_mtime_ns, ())


class _WithoutRoot:
    """A sink for an archive's tree: directories that it only implies, its root among them, stay."""

    def __init__(self, writer: ExtractingWriter) -> None:
        self._writer = writer
        self.file = writer.file
        self.symlink = writer.symlink
        self.special = writer.special
        self.link = writer.link

    def directory(self, path: bytes, metadata: Metadata) -> None:
        if path:
            self._writer.directory(path, metadata, implied=metadata is IMPLIED)
