"""A base layer, in the best form that this host, this store and this tree allow.

Which form a host and a store allow is found by making and mounting a tiny layer. That it worked is
noted in the store's `.probed-layers` for this boot; what did not may work next time, once the disk
has room or a program is installed. A tree that EROFS cannot hold is found while it is written.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from lxgit.errors import LxgitError
from lxgit.objects.metadata import Metadata
from lxgit.records import dataclass
from lxgit.runtime import bootnote, erofs_mount, rootless
from lxgit.runtime.bases import INDEX, TAR
from lxgit.runtime.blobfill import BlobFiller
from lxgit.runtime.directory_layer import DirectoryWriter, words_for_lacks
from lxgit.runtime.erofs_layer import ErofsWriter, UnfitTree
from lxgit.runtime.layers import DIRECTORY, EROFS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.sink import TreeSink
    from lxgit.runtime.layers import LayerStore


@dataclass(frozen=True, slots=True)
class Written:
    """What a base layer turned out to be, see `Layer`; `lacks` is to be told."""

    form: str
    outside_range: Collection[int]
    entries: int
    lacks: tuple[str, ...]


def write_base(
    layers: LayerStore,
    built: Path,
    fill: Callable[[TreeSink], None],
    database: ObjectDatabase | None = None,
) -> Written:
    """Write a base layer into the empty directory `built`, as `layers.building()` gives it.

    `fill` puts the tree into a sink; it is called again, with another, when the first form turns
    out not to do. With the `database` that its blobs are in, another process helps to read them.
    """
    if base_form(layers.path.parent, built) == EROFS:
        try:
            return _write_erofs(built, fill, database)
        except UnfitTree:
            for name in os.listdir(built):
                os.unlink(built / name)
    with DirectoryWriter(layers.directory_in(built)) as directory:
        fill(directory)
    lacks = words_for_lacks(directory.left_out, directory.retimed)
    return Written(DIRECTORY, directory.outside_range, directory.entries, lacks)


def _write_erofs(
    built: Path, fill: Callable[[TreeSink], None], database: ObjectDatabase | None
) -> Written:
    with ExitStack() as stack:
        filler = None
        if database is not None:
            filler = stack.enter_context(BlobFiller(database, built / TAR))
        sink = stack.enter_context(ErofsWriter(built, filler))
        fill(sink)
    return Written(EROFS, sink.outside_range, sink.entries, words_for_lacks(len(sink.hidden)))


def base_form(store: Path, place: Path) -> str:
    """The form that base layers of this store have, unless a tree needs the other.

    What has to be tried is tried in the directory `place`, on the store's file system.
    """
    return DIRECTORY if why_directories(store, place) else EROFS


def why_directories(store: Path, place: Path) -> str:
    """What keeps base layers of this store from the EROFS form; nothing when all is well."""
    if rootless.is_active():
        return "an ordinary user cannot mount EROFS"
    note = store / ".probed-layers"
    if bootnote.is_there(note):
        return ""
    words = _probe(place)
    if not words:
        bootnote.write(note)
    return words


def _probe(place: Path) -> str:
    """Make and mount a layer of one file; what did not work."""
    import tempfile

    try:
        with tempfile.TemporaryDirectory(prefix="probe-", dir=place) as name:
            with ErofsWriter(Path(name)) as sink:
                sink.directory(b"", Metadata(0o755, 0, 0, 0))
                sink.file(b"file", Metadata(0o4755, 1, 2, 3, ((b"user.x", b"y"),)), 3, (b"abc",))
            mount = erofs_mount.mount_image(Path(name), (INDEX, TAR))
            try:
                return _faults(mount)
            finally:
                os.close(mount)
    except LxgitError as error:
        return error.message
    except OSError as error:
        return str(error)


def _faults(mount: int) -> str:
    """Whether what is mounted is what has been written."""
    fd = os.open(b"file", os.O_RDONLY | os.O_CLOEXEC, dir_fd=mount)
    try:
        status = os.fstat(fd)
        found = (status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_mtime_ns)
        good = found == (0o4755, 1, 2, 3) and os.read(fd, 4) == b"abc"
        good = good and os.getxattr(fd, b"user.x") == b"y"
    finally:
        os.close(fd)
    return "" if good else "mkfs.erofs made another file system than it was asked for"
