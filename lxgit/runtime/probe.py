"""What this host can do, found by doing it, before a container is made that could not start.

Each fault is a sentence and what to do about it. Probes that need a mount run once a boot for each
store: their success is noted in its `.probed`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from lxgit.errors import LxgitError, in_words
from lxgit.processes import die_with_parent
from lxgit.runtime import bootnote, idranges, kernel, launcher, lxc, overlay, rootless, rundir
from lxgit.runtime.idmap import RANGE, Extent, IdMap, user_namespace
from lxgit.runtime.overlay import Lower, Writable

_OVERLAYFS_MAGIC = 0x794C_7630
_APPARMOR_ENABLED = Path("/sys/module/apparmor/parameters/enabled")
_APPARMOR_PROFILES = Path("/sys/kernel/security/apparmor/profiles")


class MissingProgram(LxgitError):
    """A program that lxgit runs is not installed."""

    exit_code = 125


class UnusableHost(LxgitError):
    """The kernel cannot do what a container needs, or has been told not to."""

    exit_code = 125


class UnusableStore(LxgitError):
    """The store lies where overlayfs cannot write."""

    exit_code = 125


def check_host(store: Path, *, host_ids: bool = False, place: Path | None = None) -> None:
    """Raise unless containers of this store can be started here.

    What has to be tried is tried in the directory `place`, on the store's file system, or else in
    the store. An ordinary user becomes root of a namespace (`rootless.enter`). NoNamespace,
    MissingProgram, UnusableHost, UnusableStore.
    """
    if os.geteuid() != 0:
        rootless.enter()
    if not os.access(lxc.LXC_START, os.X_OK):
        raise MissingProgram("LXC is not installed", hint="apt install lxc")
    launcher.program()  # UnsupportedMachine
    rundir.prepare()
    done = store / (".probed-host" if host_ids else ".probed")
    if bootnote.is_there(done):
        return
    if not host_ids:
        _probe_user_namespace()
    _probe_overlay(store, place or store, host_ids=host_ids)
    bootnote.write(done)


def _probe_user_namespace() -> None:
    try:
        with user_namespace(_probe_map()):
            pass
    except OSError as error:
        raise UnusableHost(
            f"the kernel gives no user namespace: {error.strerror}",
            hint=_user_namespace_hint(error),
        ) from error


def _probe_map() -> IdMap:
    """Ids as a container may have them."""
    if rootless.is_active():
        return idranges.own_ids()
    return IdMap((Extent(0, 0x7FFF_0000, RANGE),))


def _user_namespace_hint(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "`sysctl user.max_user_namespaces` is used up or 0: set it higher"
    if rootless.is_active():
        return "run lxgit as root"
    return "--userns=host runs containers without one, with less between them and the host"


def _probe_overlay(store: Path, place: Path, *, host_ids: bool) -> None:
    """Mount a layer of the store's file system, mapped, with an upper directory beside it."""
    if kernel.filesystem_type(store) == _OVERLAYFS_MAGIC:
        raise UnusableStore(
            f"the store '{store}' is on overlayfs, which takes no upper directory there",
            hint="put it on a disk or a volume: --store DIR, or LXGIT_STORE",
        )
    import tempfile

    idmap = IdMap.identity() if host_ids else _probe_map()
    with tempfile.TemporaryDirectory(prefix="probe-", dir=place) as name:
        parts = Path(name)
        for each in ("lower", "upper", "work"):
            (parts / each).mkdir()
            os.chown(parts / each, idmap.outside(0), idmap.outside(0))
        os.chown(parts / "lower", 0, 0)
        if words := _in_child(parts, idmap):
            raise UnusableStore(
                f"containers cannot run on the store '{store}': {words}",
                hint="lxgit needs Linux 5.19 and a file system such as ext4, xfs or btrfs",
            )


def _in_child(place: Path, idmap: IdMap) -> str:
    """What keeps the mount from working; nothing when it does."""
    read, write = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        try:
            die_with_parent(parent)
            _try_stack(place, idmap)
        except (LxgitError, OSError) as error:
            os.write(write, str(in_words(error)).encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as stream:
        words = stream.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return words


def _try_stack(place: Path, idmap: IdMap) -> None:
    rundir.enter_stage()
    (rundir.STAGE / "l").mkdir()
    (rundir.STAGE / "root").mkdir()
    lower = Lower(place / "lower", IdMap.identity())
    places = overlay.attach_lowers([lower], rundir.STAGE / "l", idmap)
    pair = Writable(place / "upper", place / "work")
    mount = overlay.stack(places, overlay.attach_writable(pair, rundir.STAGE / "l"))
    kernel.move_mount(mount, rundir.STAGE / "root")
    file = rundir.STAGE / "root" / "file"
    file.touch()
    if file.stat().st_uid != 0:  # made by root of the host
        raise UnusableHost("files get owners that nobody asked for")
    file.unlink()


def apparmor_profile(asked: str = "") -> str | None:
    """The profile that containers are confined by; None where the kernel has no AppArmor.

    Raises UnusableHost when AppArmor is on and the profile is not loaded, or when it is off and
    one was asked for: isolation is not weakened in silence.
    """
    wanted, enabled = asked or lxc.APPARMOR, b""
    with contextlib.suppress(FileNotFoundError):
        enabled = _APPARMOR_ENABLED.read_bytes()
    if enabled.strip() != b"Y":
        if asked:
            raise UnusableHost(
                f"the kernel of this host has no AppArmor, and so no profile '{asked}'",
                hint="leave --security-opt apparmor out",
            )
        return None
    if rootless.is_active():
        return wanted  # which are loaded is root's to see: LXC fails where this one is not
    loaded = b""
    with contextlib.suppress(OSError):
        loaded = _APPARMOR_PROFILES.read_bytes()
    names = {line.rpartition(b" (")[0] for line in loaded.splitlines()}
    if wanted.encode() in names:
        return wanted
    file = f"/etc/apparmor.d/{asked or 'lxc-containers'}"
    raise UnusableHost(
        f"AppArmor is on, and its profile '{wanted}' is not loaded",
        hint=f"`apparmor_parser -r {file}` loads it; --privileged runs without a profile",
    )
