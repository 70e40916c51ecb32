"""Binds, volumes and tmpfs are mounted in a container's root, before LXC starts.

Each place is resolved inside the root (`openat2`, RESOLVE_IN_ROOT), so that a link of the image
leads nowhere else, and never onto what lxgit mounts itself. What is shown is mapped to the ids of
the container: owners are the same numbers inside and in the volume, or on the host. Devices work on
none of them; setuid programs work on volumes and binds, as in the image, and not on a tmpfs.
"""

from __future__ import annotations

import contextlib
import os
import stat

from lxgit.beneath import openat2
from lxgit.errors import LxgitError
from lxgit.runtime import kernel, rootfs, volumes
from lxgit.runtime.binding import View, hears, mount_tree
from lxgit.runtime.directory_layer import words_for_lacks
from lxgit.runtime.fsids import making_files_for
from lxgit.runtime.idmap import IdMap, disk_to_host, user_namespace
from lxgit.runtime.mounts import (
    BIND,
    PRIVATE,
    TMPFS,
    VOLUME,
    InvalidTarget,
    TargetTaken,
    is_late,
    is_ours,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.mounts import Mount


class MountRefused(LxgitError):
    """Something cannot be mounted where it was asked for."""

    exit_code = 125


def mount_points(mounts: Sequence[Mount], store: Path) -> dict[bytes, int]:
    """The places that the image itself must have, and of which type; not those in other mounts.

    `store` is the directory of volumes.
    """
    places = {mount.target for mount in mounts}
    return {
        os.fsencode(mount.target).strip(b"/"): _type(mount, store)
        for mount in mounts
        if not places & set(_above(mount.target))
    }


def _above(target: str) -> Iterator[str]:
    while target := target.rpartition("/")[0]:
        yield target


def _type(mount: Mount, store: Path) -> int:
    """Whether a directory or a file is to be mounted; what there is not counts as a directory."""
    is_directory = True
    if mount.kind == BIND:
        is_directory = os.path.isdir(mount.source)
    elif mount.subpath:
        with contextlib.suppress(OSError), _shown(mount, store) as shown:
            is_directory = stat.S_ISDIR(os.fstat(shown).st_mode)
    return stat.S_IFDIR if is_directory else stat.S_IFREG


@contextlib.contextmanager
def _shown(mount: Mount, store: Path) -> Iterator[int]:
    """What is shown of a volume: a subpath is resolved in it, wherever a link in it leads."""
    with contextlib.ExitStack() as opened:
        fd = os.open(store / mount.source / "data", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, fd)
        if mount.subpath:
            fd = openat2(fd, os.fsencode(mount.subpath), os.O_PATH)
            opened.callback(os.close, fd)
        yield fd


def fill_volumes(
    root: int, config: ContainerConfig, store: Path, tell: Callable[[str], None], *, first: bool
) -> None:
    """Give empty volumes what the image has at their places, at the `first` start alone.

    `root` has nothing mounted on it yet; `store` is the directory of volumes. `tell` is called with
    what is to be told of those that have been filled, also when another cannot be: no later start
    fills them.
    """
    retimed = 0
    try:
        for mount in config.mounts:
            if mount.kind == VOLUME:
                retimed += _fill(root, mount, config, store, first=first)
    finally:
        for words in words_for_lacks(0, retimed):
            tell(words)


def _fill(root: int, mount: Mount, config: ContainerConfig, store: Path, *, first: bool) -> int:
    """The same for one of them: how many files have another time there."""
    path = store / mount.source
    if not path.is_dir():
        raise MountRefused(
            f"there is no volume '{mount.source}' for '{mount.target}'",
            hint=f"'lxgit volume create {mount.source}' makes an empty one",
        )
    with contextlib.ExitStack() as held:
        source = None
        if first and mount.fill:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                flags = os.O_RDONLY | os.O_DIRECTORY
                source = openat2(root, os.fsencode(mount.target), flags)
                held.callback(os.close, source)
        return volumes.fill(path, source, config.ids)


def attach_early(root: int, config: ContainerConfig, store: Path) -> None:
    """Mount what lxgit's own /dev and files of /etc come after, in the root open as `root`.

    MountRefused, InvalidTarget, TargetTaken.
    """
    early = [mount for mount in config.mounts if not is_late(mount)]
    _Mounter(root, config, store).attach(early)


def attach_late(root: int, config: ContainerConfig, store: Path) -> None:
    """Mount what is wanted in the place of lxgit's own. Errors as `attach_early` has them."""
    _Mounter(root, config, store).attach([mount for mount in config.mounts if is_late(mount)])


class _Mounter:
    """Mounts things in one root, for the ids of one container."""

    def __init__(self, root: int, config: ContainerConfig, store: Path) -> None:
        self._root = root
        self._top = os.readlink(f"/proc/self/fd/{root}")
        self._config = config
        self._store = store
        self._taken: dict[str, Mount] = {}

    def attach(self, mounts: Sequence[Mount]) -> None:
        """Mount these, in their order."""
        if not mounts:
            return
        with contextlib.ExitStack() as cleanup:
            namespace = None
            mapped = disk_to_host(IdMap.identity(), self._config.ids)
            if not mapped.changes_nothing:
                namespace = cleanup.enter_context(user_namespace(mapped))
            for mount in mounts:
                try:
                    self._attach(mount, namespace)
                except OSError as error:
                    raise MountRefused(
                        f"'{mount.target}' cannot be mounted: {error.strerror}"
                    ) from error

    def _attach(self, mount: Mount, namespace: int | None) -> None:
        place = self._place(mount)
        try:
            self._check(mount, place)
            if mount.kind == TMPFS:
                self._attach_tmpfs(mount, place)
            else:
                self._attach_tree(mount, place, namespace)
        finally:
            os.close(place)

    def _attach_tree(self, mount: Mount, place: int, namespace: int | None) -> None:
        """Mount a bind's source, or a volume's data."""
        attributes = 0 if self._config.privileged else kernel.MOUNT_ATTR_NODEV
        attributes |= kernel.MOUNT_ATTR_RDONLY if mount.read_only else 0
        view = View(attributes, namespace)
        try:
            if mount.kind == BIND:
                self._bind(mount, place, view)
            else:
                with _shown(mount, self._store) as shown:
                    mount_tree(f"/proc/self/fd/{shown}", place, view, recursive=False)
        except (FileNotFoundError, NotADirectoryError):
            part = f" '{mount.subpath}' in volume" if mount.subpath else ""
            raise MountRefused(
                f"there is no{part} '{mount.source}' to be shown as '{mount.target}'",
                hint="make it first",
            ) from None

    @staticmethod
    def _bind(mount: Mount, place: int, view: View) -> None:
        if mount.propagation != PRIVATE and not hears(mount.source):
            raise MountRefused(
                f"'{mount.source}' is on a private mount, and no {mount.propagation} hears of it",
                hint="'mount --make-rshared' on the host's mount first, or rprivate",
            )
        view = view._replace(propagation=mount.propagation)
        mount_tree(mount.source, place, view, recursive=mount.recursive)

    def _attach_tmpfs(self, mount: Mount, place: int) -> None:
        ids = self._config.ids
        user, group = map(ids.outside, mount.owner)
        attributes = kernel.MOUNT_ATTR_NODEV
        attributes |= 0 if mount.executable else kernel.MOUNT_ATTR_NOEXEC
        attributes |= 0 if mount.setuid else kernel.MOUNT_ATTR_NOSUID
        attributes |= kernel.MOUNT_ATTR_RDONLY if mount.read_only else 0
        with kernel.filesystem_context(b"tmpfs") as context:
            kernel.set_option(context, b"source", b"tmpfs")
            kernel.set_option(context, b"mode", b"%o" % mount.mode)
            kernel.set_option(context, b"uid", b"%d" % user)
            kernel.set_option(context, b"gid", b"%d" % group)
            if mount.size is not None:
                kernel.set_option(context, b"size", b"%d" % mount.size)
            tree = kernel.create_mount(context, attributes)
        try:
            kernel.move_mount(tree, place)
        finally:
            os.close(tree)

    def _place(self, mount: Mount) -> int:
        """What is mounted on, made when it is missing: a place in another mount."""
        path = os.fsencode(mount.target)
        with contextlib.suppress(FileNotFoundError):
            return openat2(self._root, path, os.O_PATH)
        ids = self._config.ids
        if _type(mount, self._store) == stat.S_IFDIR:
            return rootfs.made_directory(self._root, path, ids)
        above, _, name = path.rpartition(b"/")
        directory = rootfs.made_directory(self._root, above, ids)
        try:
            with making_files_for(ids):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                return os.open(name, flags, 0o644, dir_fd=directory)
        finally:
            os.close(directory)

    def _check(self, mount: Mount, place: int) -> None:
        """Refuse a place that links have led to, and one that has the wrong type."""
        found = os.readlink(f"/proc/self/fd/{place}").removeprefix(self._top) or "/"
        if found == "/" or is_ours(found):
            raise InvalidTarget(
                f"'{mount.target}' leads to '{found}' in this image", hint="take another place"
            )
        if other := self._taken.get(found):
            raise TargetTaken(f"'{mount.target}' and '{other.target}' are one place, '{found}'")
        self._taken[found] = mount
        is_directory = stat.S_ISDIR(os.fstat(place).st_mode)
        if is_directory != (_type(mount, self._store) == stat.S_IFDIR):
            wanted = "no directory" if not is_directory else "a directory"
            raise MountRefused(f"'{mount.target}' is {wanted} in the container, unlike its source")
