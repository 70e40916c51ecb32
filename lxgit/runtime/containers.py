"""A container on disk: what it is, what it does now, who owns its files (format.md, "Containers").

Whether a container runs is told by its lock: the kernel frees it when the supervisor dies, after
SIGKILL and after a reboot. A state that says `running` without a lock held is of a supervisor
that did not live to correct it.
"""

from __future__ import annotations

import contextlib
import errno
import os

from lxgit import eventlog
from lxgit.beneath import drop
from lxgit.errors import LxgitError
from lxgit.fsutil import fsync_directory, fsync_file, write_atomic, write_even_if_full
from lxgit.locks import LockHeld, Waiting, locked
from lxgit.records import dataclass, replace
from lxgit.runtime import index, rundir
from lxgit.runtime.config import (
    UPPERS,
    ContainerConfig,
    ContainerState,
    InvalidRecord,
    decoded_config,
    decoded_state,
    encoded,
)
from lxgit.runtime.index import NoSuchContainer, ids_of, is_locked
from lxgit.runtime.runplace import kernel_boot, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lxgit.runtime.config import Record

LAST_STEPS = 30.0
"""Seconds for a supervisor whose container has ended: unmounting writes back what is below."""


class BrokenContainer(LxgitError):
    """A container whose files do not say what it is; `id` is its directory's name."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"container {path.name[:12]} is damaged: its files do not say what it is",
            hint="; ".join((*data_hint(path), f"'lxgit rm -f {path.name[:12]}' deletes it")),
        )
        self.id = path.name


class LostUpper(LxgitError):
    """A container whose upper directory is gone, and with it all that it had changed."""

    def __init__(self, container: Container) -> None:
        super().__init__(
            f"container '{container.config.name}': its upper directory is gone,"
            " and with it what it had changed",
            hint="'lxgit fsck --repair' has it be as its commit is",
        )


def data_hint(path: Path) -> list[str]:
    """Where the files are of a damaged container, of that directory; nothing if it has none."""
    found = [place for name in UPPERS if os.path.isdir(place := os.fspath(path / name))]
    return [f"its data is in {' or '.join(found)}"] if found else []


@dataclass(frozen=True, slots=True)
class Container:
    """A container's directory and its configuration as last read."""

    path: Path
    config: ContainerConfig

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self.config.id

    @property
    def upper(self) -> Path:
        """The overlay's upper directory: what has changed."""
        return self.path / self.config.upper

    @property
    def has_lost_upper(self) -> bool:
        """Whether its upper directory was there in this boot, and nobody has taken it away.

        What a power failure has kept of one that was not waited for, nobody can tell.
        """
        if os.path.lexists(self.upper):  # first, since a commit takes the note away before it
            return False
        try:
            noted = index.content(self.path / "has-upper")
        except FileNotFoundError:
            return False
        # Again, since a start makes it before the note.
        return noted == self._upper_note and not os.path.lexists(self.upper)

    def note_upper(self) -> None:
        """Note that its upper directory is there; a full disk has none of it."""
        path = self.path / "has-upper"
        try:
            if path.is_dir():  # which is damage, and tells nothing
                drop(path)
            write_atomic(path, self._upper_note, durable=False)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def forget_upper(self) -> None:
        """Before its upper directory goes: whoever looks from now on misses nothing."""
        drop(self.path / "has-upper")

    @property
    def _upper_note(self) -> bytes:
        return f"{kernel_boot()} {self.config.upper}\n".encode()

    @property
    def mounted(self) -> str:
        """The commit that its upper directory lies over.

        A container whose upper has become a layer stands on its commit, whatever a commit command
        that was killed between the two had noted.
        """
        base = self.config.base
        return base if base is not None and self.upper.exists() else self.config.commit

    @property
    def is_deleted(self) -> bool:
        """Whether it has gone since it was read."""
        return index.record(self.path) is None

    @property
    def stays(self) -> bool:
        """Whether it is here to stay, be it that it was not deleted when it should have been."""
        if not self.config.passes:
            return True
        return self.config.remove and self.state.started is not None and not self.is_running

    @property
    def is_running(self) -> bool:
        """Whether a supervisor lives and has not seen the end, or a keeper waits to start it."""
        return self.state.is_alive

    @property
    def state(self) -> ContainerState:
        """What became of it, read now, and true even where its supervisor was killed."""
        state = self.recorded_state()
        if not state.is_alive or self.is_locked:
            return state
        from lxgit.runtime.lost import settled

        return settled(self)

    def recorded_state(self) -> ContainerState:
        """state.json as it stands; of one that is damaged, whether a supervisor lives."""
        try:
            return self.sound_state()
        except BrokenContainer:
            return ContainerState.unknown(self.config, lives=self._lives)

    @property
    def _lives(self) -> bool:
        """Whether a supervisor has it, whatever its state says."""
        return self.is_locked and os.path.exists(socket_path(self.id))

    def sound_state(self) -> ContainerState:
        """state.json; a new one's where it has not come to the disk (`record`). BrokenContainer.

        Of one that runs it had come there: what is empty then has been damaged since.
        """
        try:
            data = index.content(self.path / "state.json")
        except FileNotFoundError:
            return ContainerState()
        if data is not None and data.strip(b"\0"):
            return _decoded(self.path, data, decoded_state)
        if data is None or self._lives:
            raise BrokenContainer(self.path)
        return ContainerState()

    def record(self, state: ContainerState) -> None:
        """Write state.json. Not waited for: after a power failure no container runs anyway.

        On a full disk it is written over, or a container's end would not be known.
        """
        path = self.path / "state.json"
        try:
            write_even_if_full(path, encoded(state))
        except IsADirectoryError:  # which is damage, and tells nothing
            drop(path)
            write_even_if_full(path, encoded(state))

    def tell(self, action: str, **attributes: str) -> None:
        """Have `lxgit events` know of something that has happened to it."""
        config = self.config
        known = dict(label.partition("=")[::2] for label in config.labels)
        known.update(attributes, image=config.image, name=config.name)
        eventlog.record(self.path.parent.parent, "container", action, self.id, known)

    def configured(self, config: ContainerConfig) -> Container:
        """Write config.json anew; the container as it is then."""
        write_atomic(self.path / "config.json", encoded(config), durable=True)
        return replace(self, config=config)

    def settle(self) -> None:
        """Have a container that was just made outlive a power failure."""
        fsync_file(self.path / "config.json")
        fsync_directory(self.path)
        fsync_directory(self.path.parent)
        index.know(self.path)

    @contextlib.contextmanager
    def lock(self, *, wait: bool = False, reading: bool = False) -> Iterator[int]:
        """Own upper and work, be that for `reading` alone; the lock file's descriptor.

        LockHeld at once when the container runs, unless `wait`. A supervisor that has recorded
        the end, and only unmounts any more, is waited for.
        """
        with contextlib.ExitStack() as held:
            fd = self._acquire(held, wait=wait, reading=reading)
            self._clear_up()
            yield fd

    def _clear_up(self) -> None:
        """Sweep up after a supervisor that was killed, or let one come to its very end.

        LockHeld when one lives that does not have this container's lock: somebody listens there.
        """
        claim = rundir.CONTAINERS / self.id
        waiting = Waiting(LAST_STEPS, (claim, self._told))
        while claim.exists():
            from lxgit.runtime.attach import is_listened_for
            from lxgit.runtime.sweep import sweep

            sweep()
            if is_listened_for(self.id):
                raise LockHeld(
                    f"another store has a container of the id {self.id[:12]} that runs",
                    hint="one is a copy of the other: stop it there first",
                )
            if not waiting.goes_on():
                raise waiting.fault()

    def _acquire(self, held: contextlib.ExitStack, *, wait: bool, reading: bool) -> int:
        path = self.path / "lock"
        waiting = Waiting(LAST_STEPS, (path, self._told))
        while True:
            try:
                mine = locked(path, wait=wait, reading=reading, what=self._told)
                return held.enter_context(mine)
            except LockHeld:
                if self.state.is_alive or not waiting.goes_on():
                    raise

    @property
    def _told(self) -> str:
        return f"container '{self.config.name}'"

    @property
    def is_locked(self) -> bool:
        """Whether somebody owns upper and work now."""
        return is_locked(self.path)


@contextlib.contextmanager
def edited(
    container: Container, *, wait: bool = True, reading: bool = False
) -> Iterator[Container]:
    """Be the only one to change a container's record, running or not: the container as it is now.

    Who is `reading` wants nobody else to, also on a disk that is read-only: see `locked`.
    NoSuchContainer when it has gone; LockHeld when another is, unless `wait`. Taken before
    `Container.lock` by whoever wants both.
    """
    with contextlib.ExitStack() as held:
        with in_its_place(container):
            name = f"container '{container.config.name}'"
            edit = container.path / "edit"
            held.enter_context(locked(edit, wait=wait, reading=reading, what=name))
            now = load(container.path.parent, container.id)
        yield now


@contextlib.contextmanager
def in_its_place(container: Container) -> Iterator[None]:
    """NoSuchContainer, for whatever goes wrong with a container since all of it has gone."""
    try:
        yield
    except (FileNotFoundError, LxgitError):
        if not container.is_deleted:
            raise
        raise deleted(container) from None


def deleted(container: Container) -> NoSuchContainer:
    """The error for one that there was a moment ago."""
    return NoSuchContainer(f"container '{container.config.name}' has just been deleted")


def all_containers(containers: Path) -> list[Container]:
    """Every container, newest first. One that is broken is left out: `broken` names those."""
    return read_all(containers)[0]


def broken(containers: Path) -> list[str]:
    """Ids of containers whose configuration cannot be read, sorted."""
    return read_all(containers)[1]


def read_all(containers: Path) -> tuple[list[Container], list[str]]:
    """What `all_containers` and `broken` say, in one reading."""
    found, damaged = [], []
    for identity in ids_of(containers):
        try:
            found.append(load(containers, identity))
        except BrokenContainer:
            damaged.append(identity)
        except FileNotFoundError:
            pass
    return sorted(found, key=lambda container: -container.config.created), sorted(damaged)


def load(containers: Path, identity: str) -> Container:
    """One container by its whole id. BrokenContainer when its config.json is not its.

    FileNotFoundError when it is no more than a leftover: see `index.record`.
    """
    path = containers / identity
    record = index.record(path)
    if record is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    config = _decoded(path, record, decoded_config)
    if config.id != identity:
        raise BrokenContainer(path)
    return Container(path, config)


def _decoded(path: Path, data: bytes, decode: Callable[[bytes], Record]) -> Record:
    try:
        return decode(data)
    except InvalidRecord as error:
        raise BrokenContainer(path) from error
