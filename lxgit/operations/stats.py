"""`stats` and `top`: what running containers use, and their processes."""

from __future__ import annotations

import subprocess
import time

from lxgit.errors import LxgitError, UsageError
from lxgit.operations.finding import require_running
from lxgit.operations.lookup import find_container
from lxgit.runtime import cgroups
from lxgit.runtime.config import RUNNING
from lxgit.runtime.containers import all_containers
from lxgit.runtime.usage import Usage, has_none_left, inside_of, processes, usage
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_PS = "/usr/bin/ps"


class NoPs(LxgitError):
    """The host's ps is not installed."""


class Uncounted(LxgitError):
    """Nothing tells what the containers use."""


class Statistics(NamedTuple):
    """A line of `stats`. Bytes; `cpu` is in percent of one processor."""

    id: str
    name: str
    cpu: float
    memory: int
    memory_limit: int
    pids: int
    received: int
    sent: int
    read: int
    written: int


def statistics(
    repository: Repository, names: Sequence[str], interval: float
) -> Iterator[list[Statistics]]:
    """What containers use, all that run by default, every `interval` seconds and for ever.

    One that has ended is all zeros if it was named, and one between two lives. NoSuchContainer;
    Uncounted, of one that was named, or where there is no other.
    """
    before: dict[str, Usage] = {}
    while True:
        found = _found(repository, names)
        now = {one.id: _usage(one) for one in found}
        if before or not found:
            yield [_statistics(one, before.get(one.id, now[one.id]), now[one.id]) for one in found]
        before = now
        time.sleep(interval)


def _found(repository: Repository, names: Sequence[str]) -> list[Container]:
    """Those that were named; else of those that run the ones that can be told of."""
    found = [find_container(repository, name) for name in names]
    if not names:
        found = [one for one in all_containers(repository.containers_dir) if one.is_running]
    uncounted = [one for one in found if _is_uncounted(one)]
    if uncounted and (names or len(uncounted) == len(found)):
        name = uncounted[0].config.name
        raise Uncounted(
            f"what container '{name}' uses is not counted: you were given no control group for it",
            hint=f"'lxgit top {name}' shows its processes",
        )
    return [one for one in found if one not in uncounted]


def _is_uncounted(container: Container) -> bool:
    """Whether it runs without a group, as one of an ordinary user's may; not between two lives."""
    if cgroups.hierarchies_of(container.id) or container.state.status != RUNNING:
        return False
    return not has_none_left(container)


def _usage(container: Container) -> Usage:
    return usage(container.id, container.state.pid, cgroups.controllers_of(container.id))


def _statistics(container: Container, before: Usage, now: Usage) -> Statistics:
    elapsed = now.at - before.at
    return Statistics(
        id=container.id,
        name=container.config.name,
        cpu=100 * max(now.cpu - before.cpu, 0) / elapsed if elapsed else 0.0,
        memory=now.memory,
        memory_limit=now.memory_limit,
        pids=now.pids,
        received=now.received,
        sent=now.sent,
        read=now.read,
        written=now.written,
    )


def top(repository: Repository, name: str, options: Sequence[str]) -> list[list[str]]:
    """The processes of a running container: rows of the host's `ps OPTIONS`, its head first.

    Ids are the host's. NotRunning, NoSuchContainer, NoPs; UsageError for options without a PID.
    """
    container = find_container(repository, name)
    require_running(container)
    counted = cgroups.hierarchies_of(container.id)
    pids = processes(container.id) if counted else inside_of(container.state.supervisor)
    if not pids:
        require_running(container)  # it has just ended
    head, *lines = _ps(options or ("-ef",), pids).splitlines()
    titles = head.split()
    if "PID" not in titles:
        raise UsageError("these options of ps show no PID", hint="such as -o pid,comm; see ps(1)")
    at = titles.index("PID")
    rows = [line.split(None, len(titles) - 1) for line in lines]
    return [titles, *(row for row in rows if len(row) == len(titles) and int(row[at]) in pids)]


def _ps(options: Sequence[str], pids: Iterable[int]) -> str:
    """What ps prints of these processes, and of others too: some options will not go with -q."""
    environment = {"LC_ALL": "C", "COLUMNS": "9999"}
    for only in ([f"-q{','.join(map(str, sorted(pids)))}"], []):
        try:
            done = subprocess.run(
                [_PS, *options, *only], capture_output=True, env=environment, check=False
            )
        except FileNotFoundError:
            raise NoPs("ps is not installed", hint="apt install procps") from None
        if done.returncode == 0 and done.stdout:
            return done.stdout.decode("utf-8", "surrogateescape")
    fault = done.stderr.decode("utf-8", "replace").strip().splitlines()
    raise UsageError(f"ps: {fault[0] if fault else 'it shows nothing'}", hint="see ps(1)")
