"""What a container's root has besides its layers: devices, a few files of /etc, mount points.

Everything is mounted here, before LXC starts, on places that are resolved inside the root
(`openat2`, RESOLVE_IN_ROOT): an image whose /etc or /dev is a link leads nowhere else. None of it
is in the upper directory, so none of it is ever committed. Mount points that the image lacks are
made in a layer of their own below the upper, the init layer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from lxgit.beneath import follow_links, open_beneath, openat2, remove_tree
from lxgit.errors import LxgitError, reason
from lxgit.runtime import devpts, kernel, rootless
from lxgit.runtime.fsids import making_files_for
from lxgit.runtime.limits import DEFAULT_SHM
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxgit.runtime.idmap import IdMap

DIRECTORIES = (b"proc", b"sys", b"dev")
_BAD_WAYS = (errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES)
_LONGEST_PLACE = 2048  # it is made below a directory of the store, by its path
_MOST_SHOWN = 100

FILES = (b"etc/hosts", b"etc/hostname", b"etc/resolv.conf")

# Documentation/admin-guide/devices.txt. What Docker's containers have too.
_DEVICES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


class UnusableRoot(LxgitError):
    """The image has something else where a container needs a directory or a file."""


class Injected(NamedTuple):
    """The content of files that are made anew at each start."""

    hosts: bytes
    hostname: bytes
    resolv_conf: bytes


def resolve(root: int, path: bytes) -> bytes:
    """The path of a file below `root` with every link followed inside it; it need not exist.

    `..` at the top stays there, as with chroot(2). Raises UnusableRoot for a circle of links.
    """

    def target_of(at: bytes) -> bytes | None:
        try:
            return os.readlink(at, dir_fd=root)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
                raise
            return None  # no link, or nothing there: this component stands as it is

    try:
        return follow_links(path, target_of)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnusableRoot(f"links go in a circle at /{os.fsdecode(path)} in the image") from None


def missing_mount_points(root: int, more: Mapping[bytes, int] | None = None) -> dict[bytes, int]:
    """Resolved paths of mount points that are not there, each with the type that it must have.

    `more` are those beside lxgit's own, without leading slash. Raises UnusableRoot for one that
    cannot be reached, and when /proc, /sys or /dev is a link, which LXC does not follow.
    """
    for path in DIRECTORIES:
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(path, dir_fd=root, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                raise UnusableRoot(f"{_shown(path)} in the image is a link: LXC follows none there")
            _require_kind(path, mode, stat.S_IFDIR)
    own = dict.fromkeys(DIRECTORIES, stat.S_IFDIR) | dict.fromkeys(FILES, stat.S_IFREG)
    wanted = own | dict(more or {})
    missing = {}
    for path, kind in wanted.items():
        try:
            os.close(openat2(root, path, os.O_PATH))
        except FileNotFoundError:
            missing[_place_of(root, path)] = kind
        except NotADirectoryError:
            continue  # a file where a directory should be: told when it is mounted on
        except OSError as error:
            if error.errno not in _BAD_WAYS:
                raise
            raise _unreachable(path, reason(error)) from None
    return missing


def _place_of(root: int, path: bytes) -> bytes:
    """Where a mount point is to be made."""
    place = resolve(root, path)
    if len(place) > _LONGEST_PLACE:
        raise _unreachable(path, "its links lead to a path that is too long")
    return place


def _unreachable(path: bytes, why: str) -> UnusableRoot:
    return UnusableRoot(f"{_shown(path)} in the image cannot be reached: {why}")


def _shown(path: bytes) -> str:
    """A path for a message, its beginning if it is long."""
    text = "/" + os.fsdecode(path).lstrip("/")
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _require_kind(path: bytes, mode: int, kind: int) -> None:
    """Raise UnusableRoot when something of another kind is at a mount point."""
    if stat.S_IFMT(mode) != kind:
        wanted = "directory" if kind == stat.S_IFDIR else "file"
        raise UnusableRoot(
            f"{_shown(path)} in the image is no {wanted}: a container needs one there"
        )


def write_init_layer(layer: Path, root: int, missing: dict[bytes, int], idmap: IdMap) -> None:
    """Make `layer`, a directory with the missing mount points, with the container's host ids.

    A directory that the layers below have keeps its metadata: a merged directory shows those of
    its topmost layer, so each ancestor is made with what `root`, the mount without this layer,
    shows of it. The layer is whole or absent; one that lacks something by now is replaced.
    """
    building = layer.with_name(f"{layer.name}.new")
    remove_tree(building)  # of a start that was cut short
    building.mkdir(mode=0o755)
    made = [b""]
    for path, kind in sorted(missing.items()):
        for parent in _ancestors(path):
            if parent not in made:
                _make(building, parent, stat.S_IFDIR, idmap.outside(0))
                made.append(parent)
        if path not in made:
            _make(building, path, kind, idmap.outside(0))
            made.append(path)
    for path in reversed(made):  # children first: making one changes its parent's mtime
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            _copy_metadata(root, path or b".", building)
    remove_tree(layer)
    building.rename(layer)


def _ancestors(path: bytes) -> Iterator[bytes]:
    """The directories above a relative path, the topmost first."""
    at = path.find(b"/")
    while at >= 0:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _make(layer: Path, path: bytes, kind: int, owner: int) -> None:
    target = os.path.join(os.fsencode(layer), path)
    if kind == stat.S_IFDIR:
        os.mkdir(target, 0o755)
        os.chmod(target, 0o755)  # noqa: S103 - as directories of an image are
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    os.chown(target, owner, owner)


def _copy_metadata(root: int, path: bytes, layer: Path) -> None:
    """Owner, mode, extended attributes and times of one directory; FileNotFoundError if new."""
    target = os.path.join(os.fsencode(layer), path)
    fd = openat2(root, path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        info = os.fstat(fd)
        os.chown(target, info.st_uid, info.st_gid)
        os.chmod(target, stat.S_IMODE(info.st_mode))
        for name in map(os.fsencode, os.listxattr(fd)):
            os.setxattr(target, _as_in_a_layer(name), os.getxattr(fd, name))
        os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
    finally:
        os.close(fd)


def _as_in_a_layer(name: bytes) -> bytes:
    if not name.startswith(rootless.overlay_prefix()):
        return name
    from lxgit.runtime.directory_layer import escape_xattr  # rare, and costly to import

    return escape_xattr(name)


def make_devices(
    place: Path, idmap: IdMap, shm_size: int = DEFAULT_SHM, *, most: int = 256
) -> None:
    """Mount a container's /dev at `place`: a small tmpfs with devices, links, pts, shm, mqueue.

    `shm_size` is in bytes; it has room for `most` files, more of which root could make.

    The devices are real ones, made by root of the host and owned by the container's: a user
    namespace could neither make them nor open them on a file system of its own. An ordinary user's
    containers have the host's own.
    """
    owner = idmap.outside(0)
    _tmpfs(place, owner, b"size=64k,nr_inodes=%d,mode=0755" % most, kernel.MS_NOEXEC)
    for name, major, minor in _DEVICES:
        if rootless.is_active():
            (place / name).touch()
            kernel.mount(f"/dev/{name}", place / name, None, kernel.MS_BIND)
            continue
        os.mknod(place / name, stat.S_IFCHR, os.makedev(major, minor))
        os.chmod(place / name, 0o666)  # noqa: S103 - as these devices are
        os.chown(place / name, owner, owner)
    for name, target in _LINKS:
        os.symlink(target, place / name)
        os.chown(place / name, owner, owner, follow_symlinks=False)
    for name in ("pts", "shm", "mqueue"):
        (place / name).mkdir(mode=0o755)
        os.chown(place / name, owner, owner)
    flags = kernel.MS_NODEV | kernel.MS_NOEXEC
    _tmpfs(place / "shm", owner, b"size=%d,mode=1777" % shm_size, flags)
    devpts.mount_devpts(place / "pts", idmap.outside(devpts.TTY_GROUP))


def _tmpfs(place: Path, owner: int, options: bytes, flags: int) -> None:
    ids = b",uid=%d,gid=%d" % (owner, owner)
    kernel.mount("tmpfs", place, b"tmpfs", kernel.MS_NOSUID | flags, options + ids)


def set_console(devices: Path) -> None:
    """Let /dev/console be the container's terminal, the first of its own /dev/pts."""
    console = devices / "console"
    os.close(os.open(console, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    kernel.mount(devices / "pts" / "0", console, None, kernel.MS_BIND)


def inject(root: int, content: Injected, place: Path, idmap: IdMap) -> None:
    """Mount the files of /etc over the image's own; `place` is a directory to keep them in.

    One that has no place in the root, below a removed directory say, is left out.
    """
    owner = idmap.outside(0)
    for path, data in zip(
        FILES, (content.hosts, content.hostname, content.resolv_conf), strict=True
    ):
        file = place / os.fsdecode(path.rpartition(b"/")[2])
        file.write_bytes(data)
        file.chmod(0o644)
        os.chown(file, owner, owner)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            _bind_in_root(file, root, path, stat.S_IFREG)


def attach_devices(root: int, devices: Path) -> None:
    """Mount /dev, with all that is mounted below it."""
    _bind_in_root(devices, root, b"dev", stat.S_IFDIR, recursive=True)


def attach_sysfs(root: int, source: Path = Path("/sys"), *, read_only: bool = True) -> None:
    """Mount a sysfs, the host's, without what is mounted in it.

    To an ordinary user the kernel gives both or nothing (mount_namespaces(7)).
    """
    attributes = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOEXEC
    if read_only:
        attributes |= kernel.MOUNT_ATTR_RDONLY
    _bind_in_root(
        source,
        root,
        b"sys",
        stat.S_IFDIR,
        recursive=rootless.is_active(),
        attributes=attributes,
    )


def make_directory(root: int, path: bytes, ids: IdMap) -> None:
    """Make a directory of the root, with those above it, unless it is there; as Docker's -w does.

    Raises UnusableRoot when something else is.
    """
    try:
        os.close(made_directory(root, path, ids))
    except (NotADirectoryError, FileNotFoundError):
        raise UnusableRoot(
            f"the working directory '{_shown(path)}' is no directory in the container"
        ) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UnusableRoot(f"the working directory '{_shown(path)}' has too long a name") from None


def made_directory(root: int, path: bytes, ids: IdMap) -> int:
    """The same, as a descriptor; OSError when something else is there.

    Step by step, through no link that somebody may put in the way: what is mounted in the root may
    be shared with containers that run.
    """
    at = os.dup(root)
    for name in filter(None, resolve(root, path).split(b"/")):
        try:
            with contextlib.suppress(FileExistsError), making_files_for(ids):
                os.mkdir(name, 0o755, dir_fd=at)
            below = open_beneath(at, name, os.O_PATH | os.O_DIRECTORY)
        finally:
            os.close(at)
        at = below
    return at


def _bind_in_root(
    source: Path,
    root: int,
    path: bytes,
    kind: int,
    *,
    recursive: bool = False,
    attributes: int = 0,
) -> None:
    with _opened(root, path) as target:
        _require_kind(path, os.fstat(target).st_mode, kind)
        mount = kernel.open_tree(source, recursive=recursive)
        try:
            if attributes:
                kernel.set_mount_flags(mount, attributes, recursive=recursive)
            kernel.move_mount(mount, target)
        finally:
            os.close(mount)


@contextlib.contextmanager
def _opened(root: int, path: bytes) -> Iterator[int]:
    fd = openat2(root, path, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)
