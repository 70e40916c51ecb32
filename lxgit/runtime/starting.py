"""From a container on disk to one that runs: what the starting command does itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from lxgit.errors import LxgitError
from lxgit.records import replace
from lxgit.runtime import bases, graceperiod, interrupts
from lxgit.runtime import idmap as idmaps
from lxgit.runtime.attach import Session
from lxgit.runtime.containers import LostUpper, edited
from lxgit.runtime.keeper import keep
from lxgit.runtime.supervisor import supervise
from lxgit.runtime.sweep import sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.objects.metadata import Metadata
    from lxgit.runtime.containers import Container
    from lxgit.runtime.idmap import IdMap
    from lxgit.runtime.setup import Task


class MovedMeanwhile(LxgitError):
    """Another command put it on another commit, just before it was started."""


_supervisors: list[int] = []  # children of this process that may not have ended


def start_container(
    task: Task, root: Metadata, tell: Callable[[str], None] | None = None
) -> Session:
    """Start a container; returns when its command is executed.

    `root` is the image's root directory, which the upper directory takes after when it is new.
    `tell` is called with what the user should know of the start, as soon as that is known.

    Ctrl-C ends the container while this waits, and is held back from then on until the session is
    attached or closed: the caller closes it when the container is known to somebody.

    Raises LockHeld when it runs already, StartFailed with the exit code 125, 126 or 127;
    MovedMeanwhile.
    """
    _reap()
    sweep()
    with bases.held(task.lowers):
        try:
            session = _begun(task, root, tell)
        except BaseException:
            interrupts.let_through()
            raise
        bases.sweep()  # not before: those that this container needs may have been idle
    return session


def _begun(task: Task, root: Metadata, tell: Callable[[str], None] | None) -> Session:
    """The supervisor's first client, when the container's command is executed."""
    if task.record_is_locked:
        session = _forked(task, root)
    else:
        with edited(task.container) as now:
            if now.mounted != task.container.mounted:
                name = now.config.name
                raise MovedMeanwhile(
                    f"container '{name}' was put on another commit while it was about to start",
                    hint=f"'lxgit start {name}' starts it there",
                )
            session = _forked(replace(task, container=now), root)
    try:
        with graceperiod.begun(), interrupts.heard():
            session.wait_started(tell)
    except KeyboardInterrupt:
        with session, interrupts.heard():  # another one, as this waits
            _end(task, session, tell)
        raise
    except BaseException:
        session.close()
        raise
    return session


def _end(task: Task, session: Session, tell: Callable[[str], None] | None) -> None:
    """Kill a container as soon as it has begun: whoever wanted it has left, and knows of none."""
    with contextlib.suppress(LxgitError):
        if not task.container.is_running:
            session.wait_started(tell)
        session.end_for_good(stays=task.record_is_locked)
        session.send_signal(signal.SIGKILL)
        if task.after_exit is None or not task.record_is_locked:  # or it may wait for that lock
            session.wait()


def _forked(task: Task, root: Metadata) -> Session:
    """Fork the supervisor; its first client."""
    container = task.container
    with container.lock() as lock:
        make_upper(container, root)
        interrupts.hold_back()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            child = os.fork()
            if child == 0:
                become = keep if container.config.restart.keeps else supervise
                become(task, theirs, lock)
    _supervisors.append(child)
    return Session(ours, has_begun=True)


def _reap() -> None:
    """Take note of supervisors that have ended; they outlive sessions, so that comes late."""
    for child in [*_supervisors]:
        try:
            ended, _ = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:  # somebody else has
            ended = child
        if ended:
            _supervisors.remove(child)


def make_upper(container: Container, root: Metadata) -> None:
    """Make `upper` and `work` unless they are there; the upper is the root as the image has it.

    LostUpper when there was one.
    """
    if container.has_lost_upper:
        raise LostUpper(container)
    ids, work, upper = container.config.ids, container.path / "work", container.upper
    if not work.exists():
        work.mkdir(mode=0o755)
        os.chown(work, ids.outside(0), ids.outside(0))
    if upper.exists():
        return
    building = container.path / "upper.new"
    building.mkdir(mode=0o700, exist_ok=True)
    os.chown(building, ids.outside(root.uid), ids.outside(root.gid))
    building.chmod(root.mode)
    for name, value in root.xattrs:
        _set_xattr(building, name, value, ids)
    os.utime(building, ns=(root.mtime, root.mtime))
    building.rename(upper)
    container.note_upper()


def _set_xattr(path: Path, name: bytes, value: bytes, ids: IdMap) -> None:
    from lxgit.runtime.directory_layer import escape_xattr

    if name.startswith(b"system.posix_acl_"):
        value = idmaps.acl_to_disk(value, ids)
    elif name == b"security.capability":
        value = idmaps.capability_to_disk(value, ids)
    os.setxattr(path, escape_xattr(name), value)
