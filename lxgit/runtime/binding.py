"""Paths of the host as detached mounts, whose owners are shown as a container's.

Some file systems cannot be mapped (proc, sysfs, NFS). With one of them below a path, what is
mounted there is taken one by one, and such as cannot be mapped shows nobody as the owner: less than
the container could do otherwise. A path that is on one itself is shown so for reading alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re

from lxgit.beneath import open_beneath
from lxgit.errors import LxgitError
from lxgit.runtime import kernel, rundir
from lxgit.runtime.mounts import PRIVATE, SLAVE
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOUNTINFO = "/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")


class CannotMap(LxgitError):
    """A file system whose owners cannot be shown as a container's."""

    exit_code = 125


class View(NamedTuple):
    """How mounts are shown: MOUNT_ATTR_* flags, and a user namespace for their ids, or None.

    `propagation` is PRIVATE, SLAVE or RSLAVE. What the host mounts later is shown as the host has
    it: writable where it is so, and with nobody as the owner.
    """

    attributes: int
    namespace: int | None
    propagation: str = PRIVATE

    @property
    def is_read_only(self) -> bool:
        return bool(self.attributes & kernel.MOUNT_ATTR_RDONLY)

    def apply(self, tree: int, *, recursive: bool = False) -> bool:
        """Show a detached mount so; whether its owners are mapped, if they are to be."""
        is_private = self.propagation == PRIVATE
        kernel.set_mount_propagation(tree, kernel.MS_PRIVATE if is_private else kernel.MS_SLAVE)
        if self.attributes:
            kernel.set_mount_flags(tree, self.attributes, recursive=recursive)
        if self.namespace is None:
            return True
        try:
            kernel.set_mount_idmap(tree, self.namespace, recursive=recursive)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise
            return False
        return True


def mount_tree(source: str, place: int, view: View, *, recursive: bool) -> None:
    """Mount what is at `source` on what is open as `place`, `recursive` with what is below it.

    FileNotFoundError, NotADirectoryError without such a path. CannotMap.
    """
    is_alike = not recursive or view.propagation != SLAVE
    with _copied(source, recursive=recursive) as tree:
        if is_alike and view.apply(tree, recursive=recursive):
            kernel.move_mount(tree, place)
            return
    with _copied(source, recursive=False) as tree:
        if not view.apply(tree) and not view.is_read_only:
            raise CannotMap(
                f"'{source}' is on a file system that cannot show its owners as the container's",
                hint="for reading alone it can be shown: ':ro'; or --userns=host",
            )
        kernel.move_mount(tree, place)
        if recursive:
            below = view._replace(propagation=PRIVATE) if view.propagation == SLAVE else view
            _mount_below(os.fsencode(os.path.realpath(source)), tree, below)


def hears(source: str) -> bool:
    """Whether a copy of the mount that a path is on can hear of later mounts there.

    proc_pid_mountinfo(5): the mount is another's peer or slave.
    """
    fd = os.open(source, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as info, open(_MOUNTINFO, "rb") as mounts:
            number = re.search(rb"^mnt_id:\s*(\d+)$", info.read(), re.MULTILINE)
            assert number is not None  # since Linux 3.15
            words = next(line for line in map(bytes.split, mounts) if line[0] == number[1])
    finally:
        os.close(fd)
    tags = words[6 : words.index(b"-", 6)]
    return any(tag.startswith((b"shared:", b"master:")) for tag in tags)


def _mount_below(source: bytes, top: int, view: View) -> None:
    """Mount what the host has below `source` below the mount `top`, each by itself."""
    for point in _points_below(source):
        with contextlib.suppress(FileNotFoundError), _copied(point, recursive=False) as tree:
            view.apply(tree)
            place = open_beneath(top, point[len(source) :].strip(b"/"), os.O_PATH)
            try:
                kernel.move_mount(tree, place)
            finally:
                os.close(place)


def _points_below(source: bytes) -> list[bytes]:
    """Mount points below a path, but for lxgit's own, those above first (proc_pid_mountinfo(5))."""
    with open(_MOUNTINFO, "rb") as stream:
        points = [_ESCAPED.sub(_unescaped, line.split()[4]) for line in stream]
    inside, own = source.rstrip(b"/") + b"/", os.fsencode(rundir.RUN) + b"/"
    return [p for p in points if p.startswith(inside) and p != inside and not p.startswith(own)]


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])


@contextlib.contextmanager
def _copied(path: str | bytes, *, recursive: bool) -> Iterator[int]:
    tree = kernel.open_tree(path, recursive=recursive)
    try:
        yield tree
    finally:
        os.close(tree)
