"""Limits in force: read back after the start, changed while it runs, looked at when it has ended.

LXC writes a container's limits into its control groups before the first process is there. It passes
over keys of a version that the host does not have, so what it wrote is never taken for granted.
"""

from __future__ import annotations

import errno
import re
import time
from contextlib import ExitStack, suppress

from lxgit.errors import LxgitError
from lxgit.locks import LockHeld
from lxgit.runtime import cgroups, rootless
from lxgit.runtime.containers import BrokenContainer, edited, load
from lxgit.runtime.index import NoSuchContainer
from lxgit.runtime.limits import DEFAULT_PIDS, LimitNotInForce, Limits, Setting, settings
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lxgit.runtime.containers import Container
    from lxgit.runtime.hierarchies import Hierarchy
    from lxgit.runtime.loop import Loop

_EVENTS = "events"
_PAUSE = 0.05  # seconds


class Reached(NamedTuple):
    """Which limits a container has run into, and could not go on as it wanted."""

    memory: bool = False
    pids: bool = False


class Enforcement:
    """The limits of one container on this host. Raises LimitNotInForce where it cannot give one."""

    def __init__(self, container: str, limits: Limits) -> None:
        self._container = container
        self._limits = limits
        self._hosts = cgroups.controllers_of(container)
        self.settings = self._settings(limits)
        self._given = {setting.file: setting for setting in self.settings}  # at any time, by file

    def check(self) -> None:
        """Raise LimitNotInForce unless each limit is; one of a container that has ended is."""
        _check(self._container, self.settings, self._hosts)

    def change(self, wanted: Limits) -> None:
        """Give the running container other limits. Raises LimitNotInForce, and OSError.

        It has those that it had where the kernel does not take the new ones, or Ctrl-C comes. One
        that has ended by now has none to change.
        """
        new = self._settings(wanted)
        try:
            self._give(new)
            try:
                _check(self._container, new, self._hosts)
            except LimitNotInForce:  # `catch_up` may have given those of the record at this moment
                time.sleep(_PAUSE)
                self._give(new)
                _check(self._container, new, self._hosts)
        except BaseException as error:  # Ctrl-C, too
            if isinstance(error, OSError) and any(map(self._is_gone, self._given.values())):
                return
            self._give(self.settings)
            raise

    def _give(self, wanted: Sequence[Setting]) -> None:
        """Write these, and lift whatever else was given at any time."""
        files = {setting.file for setting in wanted}
        lifted = [one for name, one in self._given.items() if name not in files]
        self._given |= {setting.file: setting for setting in wanted}
        for one in reversed(lifted):  # first: that of swap may be in the way of more memory
            file = _file(self._container, one, self._hosts)
            if file.exists():  # else this host could not give it
                file.write_text(one.lifted, "ascii")
        _write(self._container, wanted, self._hosts)

    def catch_up(self, container: Container, loop: Loop) -> None:
        """Change what `update` has changed in the record, and LXC has not been told of.

        As `change` does. Who has the record is not waited for, and may wait for us: what the record
        says meanwhile is given, and `loop` has it looked at again when it is free. An `update` may
        be at the same files, and have yet to write it; whether they are in force is known then.
        """
        if not self._has_caught_up(container):
            with suppress(LxgitError, OSError):
                self.change(load(container.path.parent, container.id).config.limits)
            self.catch_up_later(container, loop)

    def catch_up_later(self, container: Container, loop: Loop) -> None:
        """Have `loop` do so once nobody has the record."""

        def look() -> None:
            if not self._has_caught_up(container):
                self.catch_up_later(container, loop)

        loop.after(_PAUSE, look)

    def _has_caught_up(self, container: Container) -> bool:
        with ExitStack() as held:
            try:
                now = held.enter_context(edited(container, wait=False))
            except (LockHeld, OSError):  # OSError: as where no descriptor is left
                return False
            except (BrokenContainer, NoSuchContainer):  # nobody knows of other limits
                return True
            self.change(now.config.limits)
            return True

    def _is_gone(self, setting: Setting) -> bool:
        return not _file(self._container, setting, self._hosts).parent.exists()

    def _settings(self, limits: Limits) -> list[Setting]:
        if rootless.is_active():
            from lxgit.runtime import delegation

            delegation.check(limits, cgroups.hierarchies_of(self._container))
        return settings(limits, self._hosts)

    def end_hook(self, directory: Path) -> str | None:
        """A command that keeps what `reached` reads: the group goes before anybody could look.

        Only where there is something to see beyond the limit that every container has.
        """
        asked = self._limits.pids not in (None, DEFAULT_PIDS)
        if self._limits.memory is None and not asked:
            return None
        return keeping(counters(self._container, self._hosts), directory)


def keeping(files: Sequence[Path], directory: Path) -> str:
    """That command, for sh(1), to which the name of a control group may mean something."""
    import shlex  # rare

    words = " ".join(shlex.quote(str(file)) for file in files)
    return f"/bin/grep -H . {words} > {shlex.quote(str(directory / _EVENTS))}"


def counters(container: str, hosts: Mapping[str, Hierarchy]) -> list[Path]:
    """The files that count how often a container ran into a limit, of the controllers it has."""
    old = "memory" in hosts and hosts["memory"].version == 1
    files = {"memory": "memory.oom_control" if old else "memory.events", "pids": "pids.events"}
    return [hosts[name].group(container) / file for name, file in files.items() if name in hosts]


def reached(directory: Path) -> Reached:
    """What the end hook of a container has kept in its directory."""
    try:
        text = (directory / _EVENTS).read_text("ascii", "replace")
    except FileNotFoundError:
        return Reached()
    memory = re.search(r"/memory\.\w+:oom_kill [1-9]", text)
    pids = re.search(r"/pids\.events:max [1-9]", text)
    return Reached(memory is not None, pids is not None)


def _file(container: str, setting: Setting, hosts: Mapping[str, Hierarchy]) -> Path:
    return hosts[setting.controller].group(container) / setting.file


def _check(container: str, wanted: Sequence[Setting], hosts: Mapping[str, Hierarchy]) -> None:
    for setting in wanted:
        file = _file(container, setting, hosts)
        try:
            found = file.read_text("ascii").strip()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):  # ENODEV: gone since it was opened
                raise
            if not file.parent.exists():  # it has ended by now
                return
            found = "nothing"
        if found != setting.value:
            raise LimitNotInForce(
                f"{setting.option} is not in force: {file} says {found}, not {setting.value}",
                hint=f"this host does not give it; leave {setting.option} out",
            )


def _write(container: str, wanted: Sequence[Setting], hosts: Mapping[str, Hierarchy]) -> None:
    """Write them in an order that the kernel takes: memory is never above memory with swap."""
    try:
        for setting in wanted:
            _put(_file(container, setting, hosts), setting.value)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        for setting in reversed(wanted):
            _put(_file(container, setting, hosts), setting.value)


def _put(file: Path, value: str) -> None:
    """Unless it says so: version 1 may refuse a group that is at its limit the same one (EBUSY)."""
    if file.read_text("ascii").strip() != value:
        file.write_text(value, "ascii")
