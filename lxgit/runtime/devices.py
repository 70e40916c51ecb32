"""Devices of the host in a container's /dev, beyond those that every container has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lxgit.runtime.security import Device, InvalidDevice

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def add(wanted: Iterable[str], place: Path, owner: int) -> None:
    """Make nodes in the container's /dev, which is at `place`. Raises InvalidDevice.

    Their mode is the host's; `owner` is the container's root, since the host's groups mean
    nothing inside.
    """
    for text in wanted:
        device = Device.of(text)
        mode, number = device.node()
        *directories, _ = device.name.split("/")
        at = place
        for name in directories:
            at /= name
            if not at.exists():
                at.mkdir(mode=0o755)
                os.chown(at, owner, owner)
        path = place / device.name
        try:
            os.mknod(path, mode, number)
        except (FileExistsError, NotADirectoryError):
            raise InvalidDevice(f"the container has another '/dev/{device.name}'") from None
        os.chmod(path, mode & 0o777)
        os.chown(path, owner, owner)
