"""Devices of the host in a container's /dev, beyond those that every container has."""

from __future__ import annotations

import contextlib
import os
import stat

from lxgit.runtime.security import Device, InvalidDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


_HOST = "/dev"


def add(wanted: Iterable[str], place: Path, owner: int) -> None:
    """Make nodes in the container's /dev, which is at `place`. Raises InvalidDevice.

    Their mode is the host's; `owner` is the container's root, since the host's groups mean
    nothing inside.
    """
    for text in wanted:
        device = Device.of(text)
        mode, number = device.node()
        try:
            _make(place, device.name, mode, number, owner)
        except (FileExistsError, NotADirectoryError):
            if _is(place / device.name, mode, number):
                continue  # every container has it
            raise InvalidDevice(f"the container has another '/dev/{device.name}'") from None


def add_all(place: Path) -> None:
    """Make a node there of each device that the host's /dev has, for a privileged container.

    What is mounted below the host's is left out, as are devices that the container has.
    """
    top = os.stat(_HOST).st_dev
    for directory, below, names in os.walk(_HOST):
        below[:] = [one for one in below if _is_on(top, f"{directory}/{one}")]
        for name in names:
            path = f"{directory}/{name}"
            with contextlib.suppress(OSError):  # it has just been pulled out, or is there
                found = os.lstat(path)
                inside = path.removeprefix(f"{_HOST}/")
                is_device = stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)
                if is_device and inside != "console":  # which is its terminal, if it has one
                    _make(place, inside, found.st_mode, found.st_rdev, 0)


def _is_on(device: int, directory: str) -> bool:
    """Whether a directory is of that filesystem; one that has just gone is of none."""
    try:
        return os.lstat(directory).st_dev == device
    except FileNotFoundError:
        return False


def _is(path: Path, mode: int, number: int) -> bool:
    """Whether this device is there."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (stat.S_IFMT(found.st_mode), found.st_rdev) == (stat.S_IFMT(mode), number)


def _make(place: Path, inside: str, mode: int, number: int, owner: int) -> None:
    *directories, _ = inside.split("/")
    at = place
    for name in directories:
        at /= name
        if not at.exists():
            at.mkdir(mode=0o755)
            os.chown(at, owner, owner)
    path = place / inside
    os.mknod(path, mode, number)
    os.chmod(path, mode & 0o777)
    os.chown(path, owner, owner)
