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

from lxgit.beneath import open_beneath
from lxgit.objects.acl import ACCESS, DEFAULT, normalised
from lxgit.objects.changeset import Changeset
from lxgit.objects.limits import hole_in
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scan import node_of, scan
from lxgit.objects.xattrs import CAPABILITY
from lxgit.records import dataclass, field
from lxgit.runtime import rootless
from lxgit.runtime.idmap import acl_to_image, capability_to_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.filetree import Node
    from lxgit.objects.scan import Inode
    from lxgit.runtime.idmap import IdMap


@dataclass(slots=True)
class UpperState(Changeset):
    """What an upperdir holds: changes, and sockets, which no commit keeps."""

    sockets: list[bytes] = field(default_factory=list)
    holes: dict[bytes, int] = field(default_factory=dict)
    """Files of whose bytes the disk does not have all: how many it lacks."""


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
                if inode.kind is Kind.FILE and (hole := hole_in(inode.status)):
                    state.holes[inode.path] = hole
            state.nodes[inode.path] = node
            if inode.kind is Kind.DIRECTORY and opaque in inode.xattrs:
                state.opaque.append(inode.path)
    return state


def image_metadata(inode: Inode, idmap: IdMap) -> Metadata:
    """The metadata of an inode of an upperdir or layer as the image has it."""
    status = inode.status
    mode = 0o777 if inode.kind is Kind.SYMLINK else stat.S_IMODE(status.st_mode)
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    if inode.xattrs:  # an ACL may have changed behind the mode
        mode, xattrs = normalised(mode, tuple(_image_xattrs(inode, idmap)))
    return Metadata(
        mode, idmap.inside(status.st_uid), idmap.inside(status.st_gid), status.st_mtime_ns, xattrs
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
