"""A stack of layers as one root directory: overlayfs over idmapped mounts.

Each layer says under which map of ids its inodes were written. It is attached, read-only and
mapped to the container's ids, in the caller's private mount namespace, and named to overlayfs by
that short path: Linux before 6.13 takes no file descriptor there and no detached idmapped mount.
The upper directory is not mapped: overlayfs could not create its work directory then (EOVERFLOW)
and would fall back to read-only without a word. It holds the container's host ids as they are.

Source: Documentation/filesystems/overlayfs.rst. Idmapped layers came with Linux 5.19, `lowerdir+`
with 6.7.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from functools import cache

from lxgit.errors import LxgitError, in_words
from lxgit.records import dataclass
from lxgit.runtime import kernel, rootless, rundir
from lxgit.runtime.idmap import IdMap, disk_to_host, user_namespace
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MAX_LOWERS = 500  # fs/overlayfs/params.h, OVL_MAX_STACK
_ONE_BY_ONE = (6, 7)  # the version of Linux that brought `lowerdir+`

# What the module's defaults are differs from kernel to kernel and from host to host.
# metacopy: the upper directory holds whole files. redirect_dir: a directory that is renamed is
# copied (EXDEV) as with Docker, and a redirect in a layer, which `off` would still follow out of
# its place, is not followed. index: hard links break at copy-up, as with Docker's overlay2.
_OPTIONS = ((b"metacopy", b"off"), (b"redirect_dir", b"nofollow"), (b"index", b"off"))

_TOLD, _MADE, _FAILED = b"t", b"m", b"f"  # what a child's message begins with


class CannotMount(LxgitError):
    """The kernel refuses to stack these layers."""


@dataclass(frozen=True, slots=True)
class Lower:
    """A layer on disk: its directory, and the map (container id → id on disk) of its inodes.

    With `files`, it is not that directory but what these files in it hold, an EROFS image and what
    that points into, and is mounted before it can be attached (bases.py).
    """

    path: Path
    idmap: IdMap
    files: tuple[str, ...] = ()


class Writable(NamedTuple):
    """A container's own directories, side by side on one file system; ids are the host's."""

    upper: Path
    work: Path


def attach_lowers(lowers: Sequence[Lower], staging: Path, idmap: IdMap) -> list[bytes]:
    """Mount each layer below `staging`, mapped to `idmap` (container id → host id); the places.

    Call it in a private mount namespace (`rundir.enter_stage`), where they stay. `staging` is a
    directory to make others in. Raises CannotMount.
    """
    if len(lowers) > MAX_LOWERS:
        raise CannotMount(f"{len(lowers)} layers: overlayfs takes {MAX_LOWERS}")
    places = []
    with contextlib.ExitStack() as cleanup:
        namespaces: dict[IdMap, int] = {}
        for lower in lowers:
            place = _new_place(staging)
            try:
                _attach_lower(lower, place, idmap, namespaces, cleanup)
            except OSError as error:
                raise CannotMount(f"layer '{lower.path}': {error.strerror}") from error
            places.append(place)
    return places


def attach_writable(writable: Writable, staging: Path) -> tuple[bytes, bytes]:
    """Give upper and work short names below `staging`; overlayfs wants both below one mount."""
    if writable.upper.parent != writable.work.parent:
        raise CannotMount(f"{writable.upper} and {writable.work} are not side by side")
    place = _new_place(staging)
    tree = kernel.open_tree(writable.upper.parent)
    try:
        kernel.move_mount(tree, place)
    finally:
        os.close(tree)
    return (
        place + b"/" + os.fsencode(writable.upper.name),
        place + b"/" + os.fsencode(writable.work.name),
    )


def _new_place(staging: Path) -> bytes:
    place = os.fsencode(staging) + b"/%d" % len(os.listdir(staging))
    os.mkdir(place, 0o755)
    return place


def stack(lowers: Sequence[bytes], writable: tuple[bytes, bytes] | None = None) -> int:
    """Stack attached layers, topmost first: a detached mount's descriptor (O_PATH).

    `writable` are the places of upper and work; without them the mount is read-only, and
    overlayfs wants two layers at least. Raises CannotMount, with the kernel's words.
    """
    try:
        return _stack(lowers, writable)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise CannotMount(
                "the kernel has no overlayfs", hint="try `modprobe overlay`, or another kernel"
            ) from error
        raise CannotMount(f"overlayfs refuses these layers: {error.strerror}") from error


def _attach_lower(
    lower: Lower,
    place: bytes,
    idmap: IdMap,
    namespaces: dict[IdMap, int],
    cleanup: contextlib.ExitStack,
) -> None:
    """Attach one layer; layers of one map share a user namespace, which lives until `cleanup`."""
    tree = kernel.open_tree(lower.path)
    try:
        mapped = disk_to_host(lower.idmap, idmap)
        if not mapped.changes_nothing:  # else the ids on disk are the host's already
            if mapped not in namespaces:
                namespaces[mapped] = cleanup.enter_context(user_namespace(mapped))
            kernel.set_mount_idmap(tree, namespaces[mapped])
        kernel.move_mount(tree, place)
    finally:
        os.close(tree)


def _stack(lowers: Sequence[bytes], writable: tuple[bytes, bytes] | None) -> int:
    with kernel.filesystem_context(b"overlay") as context:
        kernel.set_option(context, b"source", b"lxgit")
        for key, value in _OPTIONS:
            kernel.set_option(context, key, value)
        if rootless.is_active():
            kernel.set_option(context, b"userxattr")
        # One device number per inode number, also where the layers lie on several file systems.
        several = len({os.stat(path).st_dev for path in (*lowers, *(writable or ()))}) > 1
        kernel.set_option(context, b"xino", b"on" if several else b"off")
        if writable is not None:
            kernel.set_option(context, b"upperdir", writable[0])
            kernel.set_option(context, b"workdir", writable[1])
        with _lowers_named(context, lowers):
            mount = kernel.create_mount(context, 0 if writable else kernel.MOUNT_ATTR_RDONLY)
        _check_writable(mount, context, wanted=writable is not None)
        return mount


@contextlib.contextmanager
def _lowers_named(context: int, lowers: Sequence[bytes]) -> Iterator[None]:
    """Say which layers; they are looked up by then, or within."""
    if takes_one_by_one():
        for lower in lowers:
            kernel.set_option(context, b"lowerdir+", lower)
        yield
        return
    # A value of at most 255 bytes: the names that they have beside each other, about 70 of them.
    staging, names = os.path.dirname(lowers[0]), map(os.path.basename, lowers)
    with _in_directory(staging):
        kernel.set_option(context, b"lowerdir", b":".join(names))
        yield


@cache
def takes_one_by_one() -> bool:
    """Whether overlayfs knows `lowerdir+`, by the kernel's version: a try stands in its log.

    Where somebody has brought it to an older kernel, the other way serves as well.
    """
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return version is not None and (int(version[1]), int(version[2])) >= _ONE_BY_ONE


@contextlib.contextmanager
def _in_directory(path: bytes) -> Iterator[None]:
    """Have it as the working directory meanwhile; the one before may be out of reach by name."""
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(path)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _check_writable(mount: int, context: int, *, wanted: bool) -> None:
    """Overlayfs falls back to read-only when its upper or work directory cannot serve."""
    if wanted and os.fstatvfs(mount).f_flag & os.ST_RDONLY:
        words = "; ".join(kernel.context_messages(context))
        os.close(mount)
        raise CannotMount(
            "overlayfs would be read-only here" + (f": {words}" if words else ""),
            hint="the store must be on a file system with xattrs and whiteouts, such as ext4",
        )


def in_private_namespace(
    make: Callable[[Callable[[str], None]], int], tell: Callable[[str], None]
) -> int:
    """The detached mount that `make` gives in a child with mounts of its own, an empty stage.

    What that tells by its argument is told here, by `tell`, whatever becomes of the mount.

    Raises CannotMount with the words of what it raises.
    """
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        child = os.fork()
        if child == 0:
            try:
                _make_and_send(make, theirs)
            finally:
                os._exit(0)
        theirs.close()
        try:
            while True:
                message, descriptors, _, _ = socket.recv_fds(ours, 4096, 1)
                kind, words = message[:1], message[1:].decode("utf-8", "replace")
                if kind != _TOLD:
                    break
                tell(words)
        finally:
            os.waitpid(child, 0)
    if not descriptors:
        raise CannotMount(words or "the mount helper died")
    return descriptors[0]


def _make_and_send(make: Callable[[Callable[[str], None]], int], channel: socket.socket) -> None:
    import socket

    def send(kind: bytes, words: str) -> None:
        channel.send(kind + words.encode("utf-8", "replace")[:4095])

    try:
        rundir.prepare()
        rundir.enter_stage()
        made = make(lambda words: send(_TOLD, words))
        socket.send_fds(channel, [_MADE], [made])
    except (OSError, LxgitError) as error:
        send(_FAILED, str(in_words(error)))
