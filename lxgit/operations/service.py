"""What runs from one boot of the host to the next: start and stop them all, by a systemd unit."""

from __future__ import annotations

import os
import re
from functools import partial

from lxgit.errors import LxgitError, in_words
from lxgit.fsutil import write_atomic
from lxgit.runtime import rootless
from lxgit.runtime.containers import BrokenContainer, all_containers, broken
from lxgit.runtime.index import NoSuchContainer, is_locked
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lxgit.operations.running import Stop
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_PLAIN = re.compile(r"[a-zA-Z0-9/._+:@-]+", re.ASCII)
_RUNS_SYSTEMD = "/run/systemd/system"  # sd_booted(3)


class Result(NamedTuple):
    """A container that was started or stopped, or why it was not."""

    name: str
    fault: LxgitError | None = None


def start_all(repository: Repository, progress: Progress) -> Iterator[Result]:
    """Start what should run by its restart policy and does not, the oldest first.

    Of one that is damaged nobody knows whether it should.
    """
    from lxgit.operations.launching import start_detached

    for container in reversed(all_containers(repository.containers_dir)):
        name, policy = container.config.name, container.config.restart
        try:
            state = container.state
            if state.is_alive or not policy.wants_at_boot(stopped=state.stopped):
                continue
            start_detached(repository, container.id, progress=progress)
        except (LxgitError, OSError) as error:
            yield Result(name, in_words(error))
        else:
            yield Result(name)
    for path in _damaged(repository):
        if not is_locked(path):
            yield Result(path.name[:12], BrokenContainer(path))


def stop_all(repository: Repository, patience: float | None) -> Iterator[Result]:
    """Stop what runs, as `stop` does, and leave it to the policies what the next boot starts.

    All are asked to end before one is waited for; those that are damaged come last.
    """
    from lxgit.operations.running import Stop

    asked = []
    for wish in _wishes(repository, Stop(patience, by_user=False)):
        try:
            if (finish := wish.ask()) is not None:
                asked.append((wish, finish))
        except NoSuchContainer:  # it has ended just before, and gone
            pass
        except (LxgitError, OSError) as error:
            yield Result(wish.name, in_words(error))
    for wish, finish in asked:
        try:
            finish()
        except (LxgitError, OSError) as error:
            yield Result(wish.name, in_words(error))
        else:
            yield Result(wish.name, wish.fault)


class _Wish(NamedTuple):
    """A container that is to end."""

    name: str
    ask: Callable[[], Callable[[], None] | None]  # what waits for its end; None if it does not run
    fault: LxgitError | None = None  # what is told of it when it has ended


def _wishes(repository: Repository, how: Stop) -> Iterator[_Wish]:
    from lxgit.operations.running import begin_damaged, begin_stop, finish_damaged, finish_stop

    def ask(container: Container) -> Callable[[], None] | None:
        if not container.is_running:
            return None
        return partial(finish_stop, begin_stop(repository, container.id, how))

    def ask_damaged(path: Path) -> Callable[[], None] | None:
        return partial(finish_damaged, begin_damaged(path, how)) if is_locked(path) else None

    for one in all_containers(repository.containers_dir):
        yield _Wish(one.config.name, partial(ask, one))
    for path in _damaged(repository):
        yield _Wish(path.name[:12], partial(ask_damaged, path), BrokenContainer(path))


def _damaged(repository: Repository) -> list[Path]:
    """Containers whose record cannot be read, by their directories."""
    directory = repository.containers_dir
    return [directory / identity for identity in broken(directory)]


def unit(program: Sequence[str], store: str) -> str:
    """The text of a systemd.service(5) for the store at this absolute path, and its user.

    One container that cannot start does not fail the unit (`=-`), or systemd would kill the others,
    and stop nothing at the end.
    """
    # Delegate: its containers can have limits (runtime/delegation.py).
    user = f"\nUser={rootless.user()}\nDelegate=yes" if rootless.user() else ""
    command = " ".join(map(_quoted, (*program, "--store", store, "system")))
    return f"""\
[Unit]
Description=Containers of lxgit in {store.replace("%", "%%")}
Wants=network-online.target
After=network-online.target
RequiresMountsFor={_quoted(store)}

[Service]{user}
Type=oneshot
RemainAfterExit=yes
ExecStart=-{command} start-all
ExecStop={command} stop-all
TimeoutSec=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def _quoted(word: str) -> str:
    """A word of a command line as systemd.syntax(7) has it."""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def install(name: str, text: str, directory: Path) -> Path:
    """Write a unit and have it start at boot; its path. Overwrites the one before."""
    path = directory / name
    write_atomic(path, text.encode(), mode=0o644)
    wants = directory / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    link = wants / name
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    if os.path.isdir(_RUNS_SYSTEMD):
        import subprocess

        subprocess.run(["/usr/bin/systemctl", "daemon-reload"], check=False)
    return path
