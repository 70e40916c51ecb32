"""A cached layer compared with what Git has.

The EROFS form is made again: its tar from Git, compared byte by byte, and the index from that tar.
The directory form is read back as an upperdir is, over what the layers below show, and the trees
are compared. The compressed form is mounted for that, if its file is what was written: another
version of mkfs.erofs would compress the same tree to other bytes.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lxgit.errors import LxgitError, some_of
from lxgit.objects.changeset import apply
from lxgit.objects.diff import iter_differences
from lxgit.objects.directory import Directory, write_directory
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectType, hash_trusted
from lxgit.objects.image import Image
from lxgit.objects.links import Links, encode_links
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.replay import replay_image
from lxgit.objects.scratch import ScratchObjects, hash_content
from lxgit.progress import NullProgress
from lxgit.records import replace
from lxgit.runtime import rundir
from lxgit.runtime.bases import IMAGE, INDEX, TAR
from lxgit.runtime.compressed_layer import is_intact
from lxgit.runtime.directory_layer import is_hidden, is_lost
from lxgit.runtime.erofs_layer import LayerTar, UnfitTree, index_uuid, make_index
from lxgit.runtime.erofs_mount import mount_image
from lxgit.runtime.filetimes import has_whole_seconds, is_cut_off
from lxgit.runtime.layers import COMPRESSED, EROFS, BrokenLayer
from lxgit.runtime.upper import read_upper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.changes import Change
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.filetree import Node
    from lxgit.objects.ids import ObjectID
    from lxgit.runtime.layers import FileSystem, Layer, LayerStore

_CHUNK = 1 << 20


class Uncompared(LxgitError):
    """Nothing can tell whether a layer is sound: what it should show cannot be read."""


class _Differs(LxgitError):
    """Where a file stops to be what it should."""


def layer_faults(layers: LayerStore, database: ObjectDatabase, layer: Layer) -> list[str]:
    """What is wrong with a layer, in words; nothing when it is exactly what Git has.

    One that lacks a file or a lower layer is at fault too. BrokenLayer of `LayerStore.layer` comes
    before this; Uncompared where the fault is not the layer's: it may be all that there still is.
    """
    try:
        if layer.form == EROFS:
            return _image_faults(database, layer)
        if layer.form == COMPRESSED:
            return _compressed_faults(layers, database, layer)
        return _directory_faults(layers, database, layer, layer.directory)
    except (BrokenLayer, FileNotFoundError) as error:
        return [f"it cannot be compared with Git: {error}"]
    except (LxgitError, OSError) as error:
        raise Uncompared(f"it cannot be compared with Git: {error}") from None


def _image_faults(database: ObjectDatabase, layer: Layer) -> list[str]:
    image = _image(database, layer.shows)
    fault = _tar_fault(database, layer, image)
    return _index_faults(layer) if fault is None else [fault]


def _tar_fault(database: ObjectDatabase, layer: Layer, image: Image) -> str | None:
    with (layer.path / TAR).open("rb") as file:
        position = 0

        def compare(data: bytes) -> None:
            nonlocal position
            if file.read(len(data)) != data:
                raise _Differs(f"{TAR} differs from Git from byte {position} on")
            position += len(data)

        try:
            sink = LayerTar(compare)
            replay_image(database, image, sink, NullProgress())
            sink.finish()
        except (_Differs, UnfitTree) as error:
            return error.message
        return f"{TAR} goes on behind its end" if file.read(1) else None


def _index_faults(layer: Layer) -> list[str]:
    rundir.prepare()
    # Not beside the layer: the store may be on a disk that is full, or mounted to be read alone.
    with tempfile.TemporaryDirectory(prefix="fsck-", dir=rundir.RUN) as scratch:
        again = Path(scratch, INDEX)
        make_index(layer.path / TAR, again, uuid=index_uuid(layer.path / INDEX))
        with again.open("rb") as wanted, (layer.path / INDEX).open("rb") as found:
            while expected := wanted.read(_CHUNK):
                if found.read(_CHUNK) != expected:
                    return [f"{INDEX} is not the index of {TAR}"]
            return [f"{INDEX} goes on behind its end"] if found.read(1) else []


def _compressed_faults(layers: LayerStore, database: ObjectDatabase, layer: Layer) -> list[str]:
    if not is_intact(layer):
        return [f"{IMAGE} differs from what was written"]
    mount = mount_image(layer.path, layer.files)
    try:
        return _directory_faults(layers, database, layer, Path(f"/proc/self/fd/{mount}"))
    finally:
        os.close(mount)


def _directory_faults(
    layers: LayerStore, database: ObjectDatabase, layer: Layer, directory: Path
) -> list[str]:
    scratch = ScratchObjects(database)
    if layer.next_below is None:
        below = _nothing(scratch)
    else:
        below = _image(scratch, layers.layer(layer.next_below).shows)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        state = read_upper(fd, layer.idmap)
        rootfs, links = apply(state, below, scratch, _hashed)
    finally:
        os.close(fd)
    links_id = scratch.add(ObjectType.BLOB, encode_links(links))
    if (rootfs, links_id) == layer.shows:
        return []
    wanted = _image(scratch, layer.shows)
    found = _image(scratch, (rootfs, links_id))
    whole = has_whole_seconds(layers.path.stat())
    differences = iter_differences(found, wanted)
    unlike = [change for change in differences if not _is_left_out(change, whole=whole)]
    paths = sorted(change.path for change in unlike)
    named = [f"/{path.decode(errors='backslashreplace')}" for path in paths]
    return [f"it differs from Git at {some_of(named)}"] if paths else []


def _is_left_out(change: Change, *, whole: bool) -> bool:
    """Whether no layer has what makes the new entry another one (directory_layer.py)."""
    old, new = change.old, change.new
    if all(entry is None or is_hidden(entry.kind, entry.rdev) for entry in (old, new)):
        return True
    if old is None or new is None or old == new:  # alike, they are linked to others
        return False
    metadata = new.metadata
    kept = tuple(pair for pair in metadata.xattrs if not is_lost(pair[0]))
    shown = old.metadata.mtime
    mtime = shown if is_cut_off(metadata.mtime, shown, whole=whole) else metadata.mtime
    oid = old.oid if new.is_directory else new.oid  # what is in it is compared by itself
    return old == replace(new, oid=oid, metadata=replace(metadata, xattrs=kept, mtime=mtime))


def _hashed(_: bytes, node: Node) -> Entry:
    """The entry of a node, with the id that its content has."""
    oid: ObjectID | None = None
    if node.content is not None:
        oid = hash_content(node.content)
    elif node.kind is Kind.SYMLINK:
        oid = hash_trusted(ObjectType.BLOB, node.target)
    return Entry(node.kind, node.metadata, oid, node.rdev)


def _image(reader: ScratchObjects | ObjectDatabase, shows: FileSystem) -> Image:
    """A file system as an image, as far as its paths go: there is no config."""
    rootfs, links = shows
    return Image(reader, rootfs, links, links, rootfs)


def _nothing(scratch: ScratchObjects) -> Image:
    rootfs = write_directory(scratch, Directory(Metadata(0o755, 0, 0, 0), {}))
    return _image(scratch, (rootfs, scratch.add(ObjectType.BLOB, encode_links(Links([])))))
