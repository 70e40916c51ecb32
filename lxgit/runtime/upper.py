"""An upperdir: what a container changed, read back through its id map.

overlayfs keeps in it whole entries for what changed, a 0:0 character device (whiteout) for what was
removed, and an attribute on a directory that hides all below it (opaque). Its own attributes are
left out, and an image's `trusted.overlay.X`, kept as `trusted.overlay.overlay.X`, gets its name
back; those of an ordinary user are under `user.overlay.` (rootless.py). Source:
Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lxgit.fsutil import open_beneath
from lxgit.objects.acl import ACCESS, DEFAULT
from lxgit.objects.links import Links
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scan import node_of, scan
from lxgit.objects.treebuilder import TreeBuilder
from lxgit.records import dataclass, field
from lxgit.runtime import rootless
from lxgit.runtime.directory_layer import CAPABILITY
from lxgit.runtime.idmap import acl_to_image, capability_to_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.objects.entries import Entry
    from lxgit.objects.filetree import Node
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.scan import Inode
    from lxgit.objects.scratch import ScratchObjects
    from lxgit.runtime.idmap import IdMap


@dataclass(slots=True)
class UpperState:
    """What an upperdir holds.

    `nodes` by path (`b""` the root, parents before children), where links share a node; `removed`
    paths; `opaque` directories; `sockets`, which no commit keeps.
    """

    nodes: dict[bytes, Node] = field(default_factory=dict)
    removed: list[bytes] = field(default_factory=list)
    opaque: list[bytes] = field(default_factory=list)
    sockets: list[bytes] = field(default_factory=list)


def read_upper(root: int, idmap: IdMap, *, busy: bool = False) -> UpperState:
    """Read the upperdir that is open as `root`, written under `idmap`.

    The contents of its files are read from below `root` when they are wanted. What goes away
    meanwhile is left out where the container is `busy`. UnmappedId when an inode belongs to nobody
    inside the container.
    """
    state = UpperState()
    opaque = rootless.overlay_prefix() + b"opaque", b"y"
    nodes: dict[tuple[int, int], Node] = {}
    for inode in scan(root, busy=busy):
        if inode.kind is Kind.CHARACTER and inode.status.st_rdev == 0:
            state.removed.append(inode.path)
        elif inode.kind is None:
            state.sockets.append(inode.path)
        else:
            identity = inode.status.st_dev, inode.status.st_ino
            node = nodes.get(identity)
            if node is None:
                node = nodes[identity] = node_of(root, inode, image_metadata(inode, idmap))
            state.nodes[inode.path] = node
            if inode.kind is Kind.DIRECTORY and opaque in inode.xattrs:
                state.opaque.append(inode.path)
    return state


def image_metadata(inode: Inode, idmap: IdMap) -> Metadata:
    """The metadata of an inode of an upperdir or layer as the image has it."""
    status = inode.status
    return Metadata(
        0o777 if inode.kind is Kind.SYMLINK else stat.S_IMODE(status.st_mode),
        idmap.inside(status.st_uid),
        idmap.inside(status.st_gid),
        status.st_mtime_ns,
        tuple(sorted(_image_xattrs(inode, idmap))),
    )


def _image_xattrs(inode: Inode, idmap: IdMap) -> Iterator[tuple[bytes, bytes]]:
    overlay = rootless.overlay_prefix()
    escaped = overlay + b"overlay."
    for name, value in inode.xattrs:
        if name.startswith(escaped):
            yield overlay + name[len(escaped) :], value
        elif name.startswith(overlay):
            continue
        elif name == CAPABILITY:
            yield name, capability_to_image(value, idmap)
        elif name in (ACCESS, DEFAULT):
            yield name, acl_to_image(value, idmap)
        else:
            yield name, value


def apply_upper(
    state: UpperState,
    base: Image,
    objects: ScratchObjects,
    entry_of: Callable[[bytes, Node], Entry | None],
) -> tuple[ObjectID, Links]:
    """The file system of `base` with the upperdir over it: its tree, written, and its links.

    `entry_of(path, node)` is the entry of a node; it writes the content or only hashes it, or says
    None of what is gone by now. The cost is in proportion to what the upperdir holds.
    """
    builder = TreeBuilder(objects, objects, base.rootfs)
    for path in state.removed:
        builder.remove(path)
    entries: dict[int, Entry] = {}
    gone: list[bytes] = []
    opaque = set(state.opaque)
    for path, node in state.nodes.items():
        entry = entries.get(id(node))
        if entry is None:
            entry = entry_of(path, node)
            if entry is None:
                gone.append(path)
                continue
            entries[id(node)] = entry
        if path in opaque:
            builder.remove(path)
        builder.put(path, entry)
    for path in gone:
        del state.nodes[path]
    return builder.write(), _links(state, base.links)


def _links(state: UpperState, old: Links) -> Links:
    """The groups of the base without the paths that the upperdir hides, and the upperdir's own."""
    names: dict[int, list[bytes]] = {}
    for path, node in state.nodes.items():
        if node.children is None:
            names.setdefault(id(node), []).append(path)
    hiding = {path for group in names.values() for path in group}
    hiding.update(state.removed, state.opaque)
    kept = (
        [path for path in group if path not in state.nodes and not _is_below(path, hiding)]
        for group in old.groups
    )
    return Links([*kept, *names.values()])


def _is_below(path: bytes, hiding: set[bytes]) -> bool:
    """Whether a path or a directory that leads to it is hidden."""
    while path:
        if path in hiding:
            return True
        path = path.rpartition(b"/")[0]
    return b"" in hiding


def drop_unrecorded(root: int, state: UpperState) -> None:
    """Take out of the upperdir what no commit keeps, so that it shows what was committed."""
    for path in state.sockets:
        parent, _, name = path.rpartition(b"/")
        fd = open_beneath(root, parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            before = os.fstat(fd)
            os.unlink(name, dir_fd=fd)
            os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        finally:
            os.close(fd)
