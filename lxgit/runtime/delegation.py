"""The part of the control groups that an ordinary user has been given, for limits of containers.

Only version 2 can be given away (cgroup-v2.rst, "Delegation"): whoever may write to a group, its
cgroup.procs and its cgroup.subtree_control makes groups below it. The containers of a user are put
below the group that lxgit runs in, where that has been given to the user: by systemd, which marks
it (Delegate= of systemd.resource-control(5)), or by hand, as the group above is somebody else's.
What systemd manages for the user without having given it away is left alone, as it takes limits
back there: user@UID.service, and all in it, where the user's own systemd marks nothing.

    GROUP/lxgit.others    whatever ran in GROUP itself: with limits below it has no processes
    GROUP/lxgit.ID        a container's: LXC starts in it, and makes two groups there

Where a container's is, is kept with what else there is of it while it runs (rundir.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from fnmatch import fnmatchcase
from pathlib import Path

from lxgit.runtime import rundir
from lxgit.runtime.hierarchies import Hierarchy, hierarchies
from lxgit.runtime.limits import LimitNotInForce

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.runtime.limits import Limits

_WANTED = ("cpu", "cpuset", "io", "memory", "pids")
_NOTE = "group"
_OTHERS = "lxgit.others"
_MARK = "user.delegate"  # an attribute that systemd gives to a group, for whoever cannot ask it
_SYSTEMD = "user@*.service"  # of the user's own
SERVICE = (  # systemd ends what is left in a unit whose command has ended, unless ExitType= is set
    "'systemd-run --pipe --wait -p Delegate=yes -p User=NAME lxgit …' as root;"
    " with -d, '-p ExitType=cgroup' in place of '--pipe --wait'"
)
_TRIES = 20  # a process may be forked in the group while the others are moved


def group() -> Path | None:
    """The group that has been given to the user, of those that this process is in."""
    top = next((one.top for one in hierarchies() if one.version == 2), None)
    if top is None:
        return None
    for place in _above(top, top / _own().lstrip("/")):
        if not _is_ours(place) or fnmatchcase(place.name, _SYSTEMD):
            return None
        if _is_marked(place) or not _is_ours(place.parent):
            return place
    return None


def _above(top: Path, place: Path) -> Iterator[Path]:
    while place not in (top, place.parent):
        yield place
        place = place.parent


def _own() -> str:
    """Where this process is in version 2 (cgroups(7))."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as stream:
        return next((line[3:].rstrip("\n") for line in stream if line.startswith("0::")), "/")


def _is_ours(place: Path) -> bool:
    files = (place, place / "cgroup.procs", place / "cgroup.subtree_control")
    return all(os.access(file, os.W_OK) for file in files)


def _is_marked(place: Path) -> bool:
    try:
        return os.getxattr(place, _MARK) == b"1"
    except OSError:  # before Linux 5.7 groups had none
        return False


def here() -> list[Hierarchy]:
    """What the user's containers would have that this process starts; nothing without a group."""
    place = group()
    return [] if place is None else [_hierarchy(place)]


def check(limits: Limits, given: Sequence[Hierarchy]) -> None:
    """LimitNotInForce, with the option's name, unless what was given to the user will do."""
    there = [name for one in given for name in one.controllers]
    for option, controller in limits.wanted():
        if not given:
            raise LimitNotInForce(
                f"{option}: no control group was given to you for the container, as it is started",
                hint=what_gives_a_group(),
            )
        if controller not in there:
            raise LimitNotInForce(
                f"{option}: the controller '{controller}' was not given to you",
                hint=what_gives_controllers(),
            )


def what_gives_a_group() -> str:
    """What a user does who has none."""
    if any(one.version == 1 and set(one.controllers) & {*_WANTED} for one in hierarchies()):
        return "with version 1 of control groups, as this host has, run lxgit as root"
    return f"start it by {SERVICE}"


def what_gives_controllers() -> str:
    """What gives a user all of them."""
    return f"who gave the group gives them: of systemd by Delegate={' '.join(_WANTED)}"


def prepare(container: str) -> Path | None:
    """Make a container's group, with all the controllers that there are; None where none can be.

    What it was is kept in its directory of `rundir`, which the caller has claimed.
    """
    place = group()
    if place is None:
        return None
    made, note = place / f"lxgit.{container}", rundir.CONTAINERS / container / _NOTE
    note.write_bytes(os.fsencode(made))
    # Whoever gave the group may have seen to it that there can be no more (cgroup.max.depth,
    # cgroup.max.descendants), or none for processes. It is as if none had been given, then.
    with contextlib.suppress(OSError):
        _enable(place)
        made.mkdir(exist_ok=True)
        if not _is_of_threads(made):
            return made
        made.rmdir()
    note.unlink()
    return None


def given_to(container: str) -> list[Hierarchy]:
    """What a container that runs has: its group as the top of a hierarchy; nothing without one."""
    try:
        place = Path(os.fsdecode((rundir.CONTAINERS / container / _NOTE).read_bytes()))
        return [_hierarchy(place)]
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # the latter while a group goes
            raise
        return []


def _hierarchy(place: Path) -> Hierarchy:
    return Hierarchy(place, 2, tuple(_words(place / "cgroup.controllers")))


def _is_of_threads(place: Path) -> bool:
    """Whether a group takes no processes, being below one of threads (cgroup-v2.rst, "Threads")."""
    return (place / "cgroup.type").read_text("ascii") != "domain\n"


def _enable(place: Path) -> None:
    """Have groups below this one have its controllers. What cannot be enabled is not there then."""
    control = place / "cgroup.subtree_control"
    there = {*_WANTED}.intersection(_words(place / "cgroup.controllers"))
    for name in sorted(there.difference(_words(control))):
        for _ in range(_TRIES):
            _move_out(place)
            try:
                control.write_text(f"+{name}", "ascii")
            except OSError as error:
                if error.errno != errno.EBUSY:
                    break
                time.sleep(0.01)
            else:
                break


def _move_out(place: Path) -> None:
    """Put the processes of a group into one below it."""
    others = place / _OTHERS
    others.mkdir(exist_ok=True)
    for pid in _words(place / "cgroup.procs"):
        with contextlib.suppress(OSError):  # it has ended
            (others / "cgroup.procs").write_text(pid, "ascii")


def _words(file: Path) -> list[str]:
    return file.read_text("ascii").split()
