"""What makes one root filesystem out of another: the same for every form that it comes in.

An overlayfs upperdir (`runtime/upper.py`), an OCI layer (`oci/layerreader.py`) and COPY in a
Dockerfile all say the same three things: what stands where, what is removed, and of which
directories nothing of the base is left.
"""

from __future__ import annotations

from lxgit.objects.links import Links
from lxgit.objects.treebuilder import TreeBuilder
from lxgit.records import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.entries import Entry
    from lxgit.objects.filetree import Node
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.scratch import ScratchObjects


@dataclass(slots=True)
class Changeset:
    """A change of a root filesystem.

    `nodes` by path (`b""` the root, parents before children), where links share a node; `removed`
    paths; `opaque` directories, of which only what `nodes` has below them stays. What is removed
    is the base's: a path may be removed and be in `nodes`.
    """

    nodes: dict[bytes, Node] = field(default_factory=dict)
    removed: list[bytes] = field(default_factory=list)
    opaque: list[bytes] = field(default_factory=list)


def apply(
    changes: Changeset,
    base: Image,
    objects: ScratchObjects,
    entry_of: Callable[[bytes, Node], Entry | None],
) -> tuple[ObjectID, Links]:
    """The file system of `base` with the changes made: its tree, written, and its links.

    `entry_of(path, node)` is the entry of a node; it writes the content or only hashes it, or says
    None of what is gone by now, which is dropped from the changes. The cost is in proportion to
    what has changed. NotADirectoryError when a path is below what is no directory.
    """
    builder = TreeBuilder(objects, objects, base.rootfs)
    for path in changes.removed:
        builder.remove(path)
    for path in changes.opaque:
        builder.clear(path)
    entries: dict[int, Entry] = {}
    gone: list[bytes] = []
    for path, node in changes.nodes.items():
        entry = entries.get(id(node))
        if entry is None:
            entry = entry_of(path, node)
            if entry is None:
                gone.append(path)
                continue
            entries[id(node)] = entry
        builder.put(path, entry)
    for path in gone:
        del changes.nodes[path]
    return builder.write(), _links(changes, base.links)


def _links(changes: Changeset, old: Links) -> Links:
    """The groups of the base without the paths that are hidden, and those of the changes."""
    names: dict[int, list[bytes]] = {}
    for path, node in changes.nodes.items():
        if node.children is None:
            names.setdefault(id(node), []).append(path)
    hiding = {path for group in names.values() for path in group}
    hiding.update(changes.removed, changes.opaque)
    kept = (
        [path for path in group if path not in changes.nodes and not _is_below(path, hiding)]
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
