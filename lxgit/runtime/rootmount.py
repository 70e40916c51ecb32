"""A container's root: its layers, its upper directory, and what is mounted on them.

It is mounted at `ROOT` in a mount namespace of its own, the supervisor's above all.
"""

from __future__ import annotations

import os

from lxgit.runtime import kernel, overlay, rootfs, rundir
from lxgit.runtime.overlay import Lower, Writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lxgit.runtime.containers import Container

ROOT = rundir.STAGE / "root"


def mount_root(container: Container, lowers: Sequence[Lower], tell: Callable[[str], None]) -> int:
    """Mount the layers and what comes before lxgit's own mounts: the root's descriptor.

    `tell` is called with what the user should know of it: nothing as a rule.

    A container's init layer is made at the first start that needs it, and stays: what the upper
    directory has copied up stands on it. At the first start volumes get what the image has.
    """
    mount = _layered(container, lowers)
    if not container.config.privileged:
        kernel.set_mount_flags(mount, kernel.MOUNT_ATTR_NODEV)  # its devices are in /dev
    ROOT.mkdir()
    kernel.move_mount(mount, ROOT)
    os.close(mount)
    root = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if container.config.mounts:
        from lxgit.runtime import mounting  # few containers have any

        first = container.recorded_state().started is None
        mounting.fill_volumes(root, container.config, _volumes(container), tell, first=first)
        mounting.attach_early(root, container.config, _volumes(container))
    return root


def finish_root(root: int, container: Container) -> None:
    """Mount what comes after lxgit's own mounts, and let nobody write to the root, if so wanted."""
    if container.config.mounts:
        from lxgit.runtime import mounting

        mounting.attach_late(root, container.config, _volumes(container))
    if container.config.read_only:
        kernel.set_mount_flags(root, kernel.MOUNT_ATTR_RDONLY)


def _volumes(container: Container) -> Path:
    """The store's directory of volumes, beside that of containers."""
    return container.path.parent.with_name("volumes")


def _layered(container: Container, lowers: Sequence[Lower]) -> int:
    """The layers, with one for mount points if some are missing, as a detached mount.

    On a disk that cannot be written to the upper directory is the topmost of them.
    """
    ids, layer = container.config.ids, container.path / "init"
    staging = rundir.STAGE / "layers"
    staging.mkdir()
    places = overlay.attach_lowers(lowers, staging, ids)
    writable, shown = None, []
    if os.statvfs(container.upper).f_flag & os.ST_RDONLY:
        shown = overlay.attach_lowers([Lower(container.upper, ids)], staging, ids)
    else:
        pair = Writable(container.upper, container.path / "work")
        writable = overlay.attach_writable(pair, staging)

    def stacked() -> int:
        above = overlay.attach_lowers([Lower(layer, ids)], staging, ids) if layer.exists() else []
        return overlay.stack([*shown, *above, *places], writable)

    wanted = _mount_points(container)
    mount = stacked()
    if rootfs.missing_mount_points(mount, wanted):
        os.close(mount)
        mount = overlay.stack(places, writable)
        missing = rootfs.missing_mount_points(mount, wanted)
        rootfs.write_init_layer(layer, mount, missing, ids)
        os.close(mount)
        mount = stacked()
    return mount


def _mount_points(container: Container) -> dict[bytes, int]:
    if not container.config.mounts:
        return {}
    from lxgit.runtime import mounting

    return mounting.mount_points(container.config.mounts, _volumes(container))
