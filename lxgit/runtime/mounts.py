"""What is mounted into a container beside its image: values, as its record keeps them.

A bind shows a path of the host, a volume a directory of the store that outlives containers
(volumes.py), a tmpfs memory. `mounting` carries them out.
"""

from __future__ import annotations

import posixpath

from lxgit.errors import LxgitError
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

BIND, VOLUME, TMPFS = "bind", "volume", "tmpfs"

PRIVATE, SLAVE, RSLAVE = "rprivate", "slave", "rslave"
"""What a container sees of the host's later mounts: none, those on the source, or any below it."""
PROPAGATIONS = {
    "private": PRIVATE,
    "rprivate": PRIVATE,
    "slave": SLAVE,
    "rslave": RSLAVE,
    "shared": None,
    "rshared": None,
}
"""Docker's words. The two last would have the host see a container's mounts: none can be so."""

MAX_MOUNTS = 1000
_OURS = ("/dev", "/proc", "/sys")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a place in a container


class InvalidTarget(LxgitError):
    """A place in a container where nothing can be mounted."""

    exit_code = 125


class TooManyMounts(LxgitError):
    """More than anybody needs: an image may ask for as many volumes as it likes."""

    exit_code = 125


class TargetTaken(LxgitError):
    """Two mounts for one place."""

    exit_code = 125


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount. `target` is absolute in the container, as `checked_target` gives it."""

    kind: str
    target: str
    source: str = ""  # of a bind: an absolute path of the host; of a volume: its name
    read_only: bool = False
    recursive: bool = True  # of a bind: with what the host has mounted below
    propagation: str = PRIVATE  # of a bind
    fill: bool = True  # of a volume: when it is empty, with what the image has there
    subpath: str = ""  # of a volume: what is shown of it, relative; "" is all
    # The rest is of a tmpfs.
    size: int | None = None  # bytes; None is the kernel's default, half of the memory
    mode: int = 0o1777
    owner: tuple[int, int] = (0, 0)  # user and group, as the container sees them
    executable: bool = False
    setuid: bool = False


def checked_target(text: str) -> str:
    """A place of a container without doubled slashes, `.` and `..`; InvalidTarget."""
    if not text.startswith("/") or "\0" in text:
        raise InvalidTarget(f"'{text}' is no absolute path in a container", hint="such as /data")
    target = "/" + posixpath.normpath(text).strip("/")
    if target == "/":
        raise InvalidTarget("nothing can be mounted over a container's root", hint="such as /data")
    if is_ours(target):
        raise InvalidTarget(
            f"'{target}' is lxgit's own place in a container",
            hint="of /dev, /proc and /sys only /dev/shm can be replaced",
        )
    return target


def is_ours(target: str) -> bool:
    """Whether a place is one that lxgit mounts itself, or below such a one."""
    return _is_at(target, _OURS) and not _is_at(target, (_SHARED_MEMORY,))


def _is_at(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)


def is_late(mount: Mount) -> bool:
    """Whether a mount comes after lxgit's own: over /dev/shm and the files that it makes."""
    own = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
    return mount.target in own or _is_at(mount.target, (_SHARED_MEMORY,))


def arranged(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """In the order of mounting, what holds others first. TargetTaken, TooManyMounts."""
    found: dict[str, Mount] = {}
    for mount in mounts:
        if mount.target in found:
            raise TargetTaken(f"two mounts are for '{mount.target}'", hint="leave one out")
        found[mount.target] = mount
    if len(found) > MAX_MOUNTS:
        raise TooManyMounts(f"{len(found)} volumes and other mounts: {MAX_MOUNTS} are the most")
    return tuple(sorted(found.values(), key=lambda mount: (mount.target.count("/"), mount.target)))
