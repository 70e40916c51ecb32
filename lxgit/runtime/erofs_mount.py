"""Mounting a base layer that is an EROFS image, with or without loop devices.

Linux 6.12 and newer mount EROFS from files as they are; before that, and where the files lie on a
file system that cannot serve (tmpfs, overlayfs), they go through loop devices. These clear
themselves when the mount has gone. Sources: Documentation/filesystems/erofs.rst, loop(4),
include/uapi/linux/loop.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct

from lxgit.errors import LxgitError
from lxgit.runtime import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# Nothing is executed or opened through this mount itself: containers see their overlay's flags.
_ATTRIBUTES = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV

_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A  # Linux 5.8
_LO_FLAGS_READ_ONLY = 1
_LO_FLAGS_AUTOCLEAR = 4
_LOOP_CONFIG = struct.Struct("=II52xI176x64x")  # fd, block_size, loop_info64 with lo_flags
_ATTEMPTS = 20


class CannotMountImage(LxgitError):
    """The kernel does not mount this image."""


def mount_image(directory: Path, files: Sequence[str]) -> int:
    """Mount files of a directory, the image first: a detached mount's descriptor (O_PATH).

    CannotMountImage with what the kernel says of each way.
    """
    with contextlib.ExitStack() as opened:
        descriptors = []
        for name in files:
            fd = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, fd)
            descriptors.append(fd)
        return mount_open(descriptors)


def mount_open(files: Sequence[int]) -> int:
    """Mount an image that is open, with the files that it points into; else as `mount_image`."""
    faults = []
    for way in ways():
        try:
            return way(files)
        except OSError as error:
            faults.append(str(error.strerror))
    raise CannotMountImage(f"the layer cannot be mounted: {'; '.join(faults)}")


def ways() -> tuple[Callable[[Sequence[int]], int], ...]:
    """How to mount open files: the better way first."""
    return by_file, by_loop


def by_file(files: Sequence[int]) -> int:
    """From the files themselves. ENOTBLK before Linux 6.12."""
    # By descriptor: an option's value has at most 255 bytes, and the name may have moved on.
    return _mounted([b"/proc/self/fd/%d" % file for file in files])


def by_loop(files: Sequence[int]) -> int:
    """Through loop devices. OSError also where there are none."""
    with contextlib.ExitStack() as devices:
        paths = []
        for file in files:
            path, fd = _loop_device(file)
            devices.callback(os.close, fd)  # the last one to hold it, but for the mount
            paths.append(path)
        return _mounted(paths)


def _mounted(paths: Sequence[bytes]) -> int:
    with kernel.filesystem_context(b"erofs") as context:
        kernel.set_option(context, b"ro")  # or a read-only device is refused
        kernel.set_option(context, b"source", paths[0])
        for path in paths[1:]:
            kernel.set_option(context, b"device", path)
        return kernel.create_mount(context, _ATTRIBUTES)


def _loop_device(file: int) -> tuple[bytes, int]:
    """The path of a read-only loop device over an open file, and its descriptor."""
    control = os.open(b"/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            path = b"/dev/loop%d" % fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                flags = _LO_FLAGS_READ_ONLY | _LO_FLAGS_AUTOCLEAR
                fcntl.ioctl(fd, _LOOP_CONFIGURE, _LOOP_CONFIG.pack(file, 0, flags))
            except OSError as error:
                os.close(fd)
                if error.errno != errno.EBUSY:  # another was faster to take it
                    raise
            else:
                return path, fd
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no free loop device")
