"""COPY and ADD into an image: what was taken, put where it belongs.

As Docker has it: a destination that ends in `/` is a directory, and so is one that is there as a
directory; its links are followed inside the image; directories on the way there are made, those
that exist stay as they are. Of a directory its contents come; a directory below takes the mode of
its source, also where there is one already. A file takes the place of a file or a link, never that
of a directory. What ADD extracts comes with the owners that the archive has, and takes the place of
anything.
"""

from __future__ import annotations

import os
import posixpath

from lxgit.build.ownership import Owner, mode_change, owner_of
from lxgit.build.sources import ImageSource, joined, resolved
from lxgit.build.taking import clean
from lxgit.errors import LxgitError
from lxgit.objects.acl import after_chmod
from lxgit.objects.changeset import Changeset
from lxgit.objects.filetree import IMPLIED, Node
from lxgit.objects.metadata import Kind, Metadata
from lxgit.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxgit.build.archives import Archives
    from lxgit.build.taking import CopyRequest, Root, Taken
    from lxgit.objects.filetree import FileTree


class BadDestination(LxgitError):
    """What is copied cannot be put there."""


def copy_into(
    image: ImageSource, workdir: str, taken: Taken, request: CopyRequest, archives: Archives
) -> Changeset:
    """What the request changes in an image whose WORKDIR that is; nothing is written.

    BadDestination, NoSuchOwner, BadMode, CircleOfLinks, PathTooLong; InvalidArchive and its like.
    """
    return _Copier(image, workdir, request, archives).run(taken)


class _Copier:
    def __init__(
        self, image: ImageSource, workdir: str, request: CopyRequest, archives: Archives
    ) -> None:
        self._target = _Target(image)
        self._archives = archives
        self._chown = owner_of(request.chown, image) if request.chown else None
        self._chmod = mode_change(request.chmod) if request.chmod else None
        self._now = request.now
        text = request.destination
        self._means_directory = text.endswith(("/", "/.")) or text == "."
        self._place = os.fsencode(clean(posixpath.join("/", workdir, text)))

    def run(self, taken: Taken) -> Changeset:
        self._check_several(taken.roots)
        for root in taken.roots:
            self._copy(root)
        return self._target.changes

    def _check_several(self, roots: Sequence[Root]) -> None:
        """Several files go into a directory; several directories become one wherever they go."""
        if len(roots) < 2 or all(root.node.kind is Kind.DIRECTORY for root in roots):
            return
        if not self._is_directory(resolved(self._target, self._place)):
            raise BadDestination(
                f"several files are to go to '/{os.fsdecode(self._place)}', which is no directory",
                hint="a destination that ends in '/' is made as one",
            )

    def _is_directory(self, place: bytes) -> bool:
        present = self._target.find(place)
        if present is None:
            return self._means_directory
        return present.kind is Kind.DIRECTORY or self._means_directory

    def _copy(self, root: Root) -> None:
        place = resolved(self._target, self._place)
        tree = self._archives.tree(root.node) if root.may_unpack else None
        if root.node.kind is Kind.DIRECTORY:
            self._make_directory(place, self._chown, root.node.metadata.mtime)
            self._put_all(place, root.below)
        elif tree is not None:
            self._make_directory(place, self._chown)
            self._extract(place, tree)
        else:
            self._put_all(self._place_of_file(place, root.name), ((b"", root.node),))

    def _place_of_file(self, place: bytes, name: bytes) -> bytes:
        """Where a file goes, in a directory that is there."""
        if not self._is_directory(place):
            self._make_directory(place.rpartition(b"/")[0], self._chown)
            return place
        if not name:
            raise BadDestination(
                "what is fetched has no name of its own", hint="let the destination name it"
            )
        self._make_directory(place, self._chown)
        return joined(place, name)

    def _make_directory(
        self, place: bytes, owner: Owner | None = None, mtime: int | None = None
    ) -> None:
        """Make a directory, and those above it that are missing; no link is in the path.

        `mtime` is that of the last one.
        """
        parts = place.split(b"/") if place else []
        for count in range(1, len(parts) + 1):
            path = b"/".join(parts[:count])
            present = self._target.find(path)
            if present is None:
                time = self._now if mtime is None or path != place else mtime
                metadata = Metadata(0o755, *(owner or Owner(0, 0)), time)
                self._target.put(path, Node(Kind.DIRECTORY, metadata))
            else:
                self._check_directory(path, present)

    @staticmethod
    def _check_directory(path: bytes, present: Node) -> None:
        if present.kind is not Kind.DIRECTORY:
            raise BadDestination(
                f"'/{os.fsdecode(path)}' in the image is a {present.kind.value}, not a directory"
            )

    def _put_all(self, place: bytes, found: Iterable[tuple[bytes, Node]]) -> None:
        """Put a tree's nodes at a place; those that are links of each other stay it."""
        dressed: dict[int, Node] = {}
        for rest, node in found:
            path = joined(place, rest)
            present = self._target.find(path)
            if present is not None and (present.kind is Kind.DIRECTORY) is not (
                node.kind is Kind.DIRECTORY
            ):
                raise BadDestination(
                    f"'/{os.fsdecode(path)}' in the image is a {present.kind.value},"
                    f" and a {node.kind.value} is to be copied there"
                )
            if id(node) not in dressed:
                dressed[id(node)] = self._dressed(node)
            self._target.put(path, dressed[id(node)])

    def _dressed(self, node: Node) -> Node:
        """The node with the owner and the mode that were asked for."""
        metadata = node.metadata
        if self._chown is not None:
            metadata = replace(metadata, uid=self._chown.uid, gid=self._chown.gid)
        if self._chmod is not None and node.kind is not Kind.SYMLINK:
            is_directory = node.kind is Kind.DIRECTORY
            mode = self._chmod(metadata.mode, is_directory)
            metadata = replace(metadata, mode=mode, xattrs=after_chmod(mode, metadata.xattrs))
        return Node(node.kind, metadata, target=node.target, content=node.content, rdev=node.rdev)

    def _extract(self, place: bytes, tree: FileTree) -> None:
        """Put what an archive has into a directory. Its own root stays as it is."""
        places = {b"": place}
        for rest, node in tree.walk():
            above, _, name = rest.rpartition(b"/")
            path = joined(places[above], name)
            if node.metadata is not IMPLIED:
                if rest:
                    self._target.put(path, node)
            else:
                path = self._on_the_way(path)
            if node.kind is Kind.DIRECTORY:
                places[rest] = path

    def _on_the_way(self, path: bytes) -> bytes:
        """Where a directory is that may be a link to one, below one that is there; made if need be.

        Looked up by its last name alone: an archive can have very many, very deep.
        """
        present = self._target.find(path) if path else None
        if present is not None and present.kind is Kind.SYMLINK:
            path = resolved(self._target, path)
            self._make_directory(path)
        elif present is None and path:
            self._target.put(path, Node(Kind.DIRECTORY, Metadata(0o755, 0, 0, self._now)))
        elif present is not None:
            self._check_directory(path, present)
        return path


class _Target:
    """The image as it will be: what has been copied so far, over what was there."""

    def __init__(self, image: ImageSource) -> None:
        self._image = image
        self.changes = Changeset()
        self._removed: set[bytes] = set()
        self._filled: dict[bytes, set[bytes]] = {}  # what has been put below directories, by name

    def find(self, path: bytes) -> Node | None:
        """What stands at a path."""
        node = self.changes.nodes.get(path)
        if node is None and not self._is_removed(path):
            node = self._image.find(path)
        return node

    def put(self, path: bytes, node: Node) -> None:
        """Put a node; it takes the place of what is there, but a directory that of none."""
        if node.kind is not Kind.DIRECTORY:
            present = self.find(path)
            if present is not None and present.kind is Kind.DIRECTORY:
                self._remove(path)
        self.changes.nodes[path] = node
        while path:
            path, _, name = path.rpartition(b"/")
            known = path in self._filled
            self._filled.setdefault(path, set()).add(name)
            if known:
                break

    def _remove(self, path: bytes) -> None:
        """Remove a directory, and what has been put into it."""
        left = [path]
        while left:
            gone = left.pop()
            self.changes.nodes.pop(gone, None)
            left += [joined(gone, name) for name in self._filled.pop(gone, ())]
        if path not in self._removed:
            self._removed.add(path)
            self.changes.removed.append(path)

    def _is_removed(self, path: bytes) -> bool:
        while path and self._removed:
            if path in self._removed:
                return True
            path = path.rpartition(b"/")[0]
        return False
