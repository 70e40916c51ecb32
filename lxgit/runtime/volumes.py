"""Volumes: directories that outlive the containers that use them (format.md, "Volumes").

Owners in `data` are ids as containers see them, whatever their ids on the host are: it is mounted
mapped to those (mounting.py), so containers that share a volume agree about who owns what. The
store is 0700, so nobody else on the host reaches what they keep in it.

A volume is made under a name that begins with a dot, and renamed; it is deleted the other way
round.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from functools import partial

from lxgit import eventlog
from lxgit.beneath import drop, remove_tree
from lxgit.errors import LxgitError
from lxgit.fsutil import fsync_directory, make_directories, sync_filesystem, write_atomic
from lxgit.locks import locked
from lxgit.objects.scan import read_tree, scan
from lxgit.progress import NullProgress
from lxgit.records import dataclass
from lxgit.runtime.checksums import with_checksum
from lxgit.runtime.descriptions import description
from lxgit.runtime.directory_layer import DirectoryWriter
from lxgit.runtime.upper import image_metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lxgit.runtime.idmap import IdMap

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_WHAT = "the list of volumes"


class InvalidVolumeName(LxgitError):
    """A name that a volume cannot have."""


class NoSuchVolume(LxgitError):
    """No volume has that name."""


class BrokenVolume(LxgitError):
    """A volume whose description cannot be read."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume."""

    path: Path
    created: int  # nanoseconds since 1970
    labels: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody chose its name, so that it may go with its container."""
        return is_anonymous(self.name)

    @property
    def data(self) -> Path:
        """What containers see."""
        return self.path / "data"


def new_name() -> str:
    """The name of an anonymous volume."""
    return os.urandom(32).hex()


def is_anonymous(name: str) -> bool:
    """Whether a volume of this name has one that nobody chose."""
    return _ANONYMOUS.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise InvalidVolumeName unless `name` can be a volume's."""
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise InvalidVolumeName(
            f"'{name}' cannot be the name of a volume",
            hint="letters, digits, and after the first also '_', '.' and '-'; a path of the host"
            " begins with '/' or './'",
        )


def kept(volumes: Path) -> AbstractContextManager[int]:
    """Keep every volume from being deleted."""
    make_directories(os.fspath(volumes), mode=0o700)
    return locked(volumes / ".lock", shared=True, what=_WHAT)


@contextlib.contextmanager
def settled(volumes: Path) -> Iterator[int]:
    """Have the volumes to oneself, without what killed commands have left half made or deleted.

    How many that were.
    """
    if not volumes.exists():
        yield 0
        return
    with locked(volumes / ".lock", what=_WHAT):
        leftovers = [path for path in volumes.glob(".*") if path.name != ".lock"]
        for path in leftovers:
            drop(path)
        yield len(leftovers)


def create(volumes: Path, name: str, labels: Mapping[str, str] | None = None) -> Volume:
    """The volume of that name, made unless it is there.

    The caller holds `kept`. Raises InvalidVolumeName.
    """
    check_name(name)
    with contextlib.suppress(NoSuchVolume):
        return load(volumes, name)
    building = volumes / f".new-{os.urandom(8).hex()}"
    try:
        building.mkdir(mode=0o700)
        data = building / "data"
        data.mkdir()
        data.chmod(0o755)  # whatever the umask: users of a container pass through it
        _describe(building, time.time_ns(), dict(labels or {}))
        is_ours = _moved(building, volumes / name)
    finally:
        remove_tree(building)  # of one that has been made that is its name no more
    fsync_directory(volumes)
    if is_ours:
        eventlog.record(volumes.parent, "volume", "create", name, dict(labels or {}))
    return load(volumes, name)


def _describe(volume: Path, created: int, labels: Mapping[str, str]) -> None:
    values = {"created": created, "labels": labels}
    write_atomic(volume / "volume.json", with_checksum(values))


def describe_anew(volumes: Path, name: str) -> bool:
    """Have a damaged volume be one without labels, as old as its directory; whether it is.

    Nothing is written through a link.
    """
    if (volumes / name).is_symlink():
        return False
    with kept(volumes), contextlib.suppress(FileNotFoundError):
        drop(volumes / name / "volume.json")  # it may be a directory, which no file replaces
        _describe(volumes / name, (volumes / name).stat().st_mtime_ns, {})
        return True
    return False


def _moved(building: Path, place: Path) -> bool:
    """Give a new volume its name; whether no other process has made one of that name meanwhile."""
    try:
        building.rename(place)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    return True


def load(volumes: Path, name: str) -> Volume:
    """A volume by its name. NoSuchVolume; BrokenVolume."""
    path = volumes / name
    is_one_below = name == path.name and not name.startswith(".")  # 't/', '../t' are other names
    if not is_one_below or not (os.path.isdir(path) or os.path.islink(path)):
        raise NoSuchVolume(f"there is no volume '{name}'", hint="'lxgit volume ls' lists them")
    try:
        values = description(path / "volume.json", ("created", "labels"))
        return Volume(path, values["created"], values["labels"])
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise BrokenVolume(
            f"volume '{name}' is damaged: its volume.json does not say what it is",
            hint=_way_out(path),
        ) from error


def _way_out(damaged: Path) -> str:
    if damaged.is_symlink():
        return f"it is a symbolic link, and 'lxgit volume rm {damaged.name}' deletes that alone"
    return f"its data is in {damaged / 'data'}; 'lxgit fsck --repair' mends it, without labels"


def names(volumes: Path) -> list[str]:
    """Every volume's name, sorted, damaged ones' too. One may be a link to what is elsewhere."""
    try:
        with os.scandir(volumes) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and (entry.is_symlink() or entry.is_dir())
            )
    except FileNotFoundError:
        return []


def remove(volumes: Path, name: str) -> None:
    """Delete a volume, which nothing uses; the caller has entered `settled`.

    Of one that is a link that alone goes: what is elsewhere is not the store's.
    """
    gone = volumes / f".gone-{os.urandom(8).hex()}"
    (volumes / name).rename(gone)
    try:
        fsync_directory(volumes)
    except OSError:  # what is said to have failed has not been done
        gone.rename(volumes / name)
        raise
    eventlog.record(volumes.parent, "volume", "destroy", name, {})
    drop(gone)


def size(volume: Path) -> int:
    """Bytes as the disk counts them; each inode once, whatever containers do meanwhile.

    0 where there is no data here: of one that is a link, is damaged, or has just been deleted.
    """
    if volume.is_symlink():
        return 0
    try:
        fd = os.open(volume / "data", os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        blocks = {inode.status.st_ino: inode.status.st_blocks for inode in scan(fd, busy=True)}
    finally:
        os.close(fd)
    return sum(blocks.values()) * 512


def fill(volume: Path, source: int | None, ids: IdMap) -> int:
    """Copy what is below the directory `source` into an empty volume, owners and all.

    How many files have another time there, since the file system cannot hold theirs.
    `ids` is the map of the owners in `source` (container id → id there). What a killed start has
    left half copied is thrown away; what was whole by then moves in, also without a source.
    Containers may have the volume mounted already, so its directory stays the same. Once it has
    something it is never filled again: what it gets is on the disk before it is said to be whole.
    """
    filling, filled, data = volume / "filling", volume / "filled", volume / "data"
    retimed = 0
    with locked(volume / "lock", reading=True, what=f"volume '{volume.name}'"):
        if not filled.exists():
            if source is None or any(data.iterdir()):
                return retimed
            remove_tree(filling)
            retimed = _copy(source, filling, ids)
            sync_filesystem(filling)
            filling.rename(filled)
            fsync_directory(volume)
        for entry in os.listdir(filled):
            os.rename(filled / entry, data / entry)
        _dress(data, filled)
        fsync_directory(data)
        remove_tree(filled)
        fsync_directory(volume)
    return retimed


def _copy(source: int, to: Path, ids: IdMap) -> int:
    to.mkdir(mode=0o700)
    tree, _ = read_tree(source, NullProgress(), partial(image_metadata, idmap=ids))
    with DirectoryWriter(to) as writer:
        tree.replay(writer)
    return writer.retimed


def _dress(data: Path, like: Path) -> None:
    """Give a directory the owner, mode, attributes and times of another."""
    status = like.stat()
    os.chown(data, status.st_uid, status.st_gid)
    data.chmod(status.st_mode & 0o7777)
    for name in os.listxattr(like):
        os.setxattr(data, name, os.getxattr(like, name))
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
