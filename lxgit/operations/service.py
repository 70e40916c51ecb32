"""What runs from one boot of the host to the next: start and stop them all, by a systemd unit."""

from __future__ import annotations

import os
import re

from lxgit.errors import LxgitError, in_words
from lxgit.fsutil import write_atomic
from lxgit.runtime import rootless
from lxgit.runtime.containers import BrokenContainer, all_containers, broken
from lxgit.runtime.index import NoSuchContainer, is_locked
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.operations.running import Stop
    from lxgit.progress import Progress
    from lxgit.repository import Repository

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
    """Stop what runs, as `stop` does, and leave it to the policies what the next boot starts."""
    from lxgit.operations.running import Stop, begin_stop, finish_stop

    how = Stop(patience, by_user=False)
    asked = []
    for one in all_containers(repository.containers_dir):
        try:
            if one.is_running:
                asked.append(begin_stop(repository, one.id, how))
        except NoSuchContainer:  # it has ended just before, and gone
            pass
        except (LxgitError, OSError) as error:
            yield Result(one.config.name, in_words(error))
    for path in _damaged(repository):
        if is_locked(path):
            yield Result(path.name[:12], _end_damaged(path, how))
    for stopping in asked:
        name = stopping.container.config.name
        try:
            finish_stop(stopping)
        except (LxgitError, OSError) as error:
            yield Result(name, in_words(error))
        else:
            yield Result(name)


def _damaged(repository: Repository) -> list[Path]:
    """Containers whose record cannot be read, by their directories."""
    directory = repository.containers_dir
    return [directory / identity for identity in broken(directory)]


def _end_damaged(path: Path, how: Stop) -> LxgitError:
    """End one of those; what is to be told of it."""
    from lxgit.operations.running import end_damaged

    try:
        end_damaged(path, how)
    except (LxgitError, OSError) as error:
        return in_words(error)
    return BrokenContainer(path)


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
