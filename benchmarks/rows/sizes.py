"""What a machine's history takes on disk: a Debian and twenty real package operations."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks.disk import at_rest
from benchmarks.harness import Contest, Row, Unit
from benchmarks.history import APPLY, apply, history
from benchmarks.peers.charliecloud import Charliecloud
from benchmarks.peers.ostree import Ostree
from benchmarks.peers.restic import Restic
from benchmarks.workbench import IMAGE
from tests.support import rootfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.history import History
    from benchmarks.store import Store
    from benchmarks.workbench import Workbench

_APPLY = ("sh", "-c", APPLY)


def rows(bench: Workbench) -> list[Row]:
    about = f"bytes at rest of {bench.inputs.steps} commits of package operations, after `gc`"
    peer = "Docker's data root, overlay2"
    keepers = cache(partial(_Keepers, bench))

    def row(name: str, what: str, reach: float, *, materialised: bool, listed: bool) -> Row:
        setup = partial(_contest, keepers, materialised=materialised, listed=listed)
        return Row(name, f"{about}, {what}", peer, setup, reach, None, Unit.BYTES, 1, 0)

    return [
        row("history", "layers pruned", 0.35, materialised=False, listed=True),
        row("history-run", "the last one materialised", 1.1, materialised=True, listed=False),
    ]


class _Keepers:
    """Whoever keeps the history; each is made when it is first asked, and then stays."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._history = history(bench.inputs.steps)
        self.store = cache(self._store)
        self.docker = cache(self._docker)

    def _store(self) -> Store:
        store = self._bench.empty_store()
        store.program.run("import", str(self._history.base), IMAGE)
        for step in self._history.steps:
            options = ("--interactive", "--workdir=/", "--network=none", "--name=step")
            store.program.run("run", *options, IMAGE, *_APPLY, stdin=step)
            store.program.run("commit", "-m", step.name, "step")
            store.program.run("rm", "step")
        store.collect_garbage()
        store.program.run("prune")
        return store

    def _docker(self) -> float:
        """One layer for each step, containers removed."""
        daemon = self._bench.empty_docker()
        daemon.program.run("import", str(self._history.base), IMAGE)
        for step in self._history.steps:
            options = ("--interactive", "--workdir=/", "--network=none", "--name=step")
            daemon.program.run("run", *options, IMAGE, *_APPLY, stdin=step)
            daemon.program.run("commit", "--message", step.name, "step", IMAGE)
            daemon.program.run("rm", "step")
        return at_rest(daemon.data)

    def ostree(self) -> float:
        ostree = Ostree(self._bench.place("ostree"), "archive")
        for tree in _trees(self._bench, self._history):
            ostree.commit(tree, IMAGE)
        return at_rest(ostree.repository)

    def charliecloud(self) -> float:
        charliecloud = Charliecloud(self._bench.place("charliecloud"))
        charliecloud.build(self._history)
        return at_rest(charliecloud.storage)

    def restic(self) -> float:
        restic = Restic(self._bench.place("restic"))
        for tree in _trees(self._bench, self._history):
            restic.backup(tree)
        return at_rest(restic.repository)


def _trees(bench: Workbench, made: History) -> Iterator[Path]:
    """The same directory after each step, for those who look at directories; without devices."""
    tree = rootfs.extract_tar(made.base, bench.place("tree"))
    for device in (tree / "dev").iterdir():
        if not device.is_dir():
            device.unlink()
    (tree / "dev/null").touch()  # xargs looks for it
    yield tree
    for step in made.steps:
        apply(step, tree)
        yield tree


@contextmanager
def _contest(
    keepers: Callable[[], _Keepers], *, materialised: bool, listed: bool
) -> Iterator[Contest]:
    kept = keepers()

    def ours() -> float:
        store = kept.store()
        if materialised:
            store.run_true(IMAGE)
            store.collect_garbage()
        return at_rest(store.directory)

    others: dict[str, Callable[[], float]] = {
        "ostree, archive": kept.ostree,
        "charliecloud, storage with its build cache": kept.charliecloud,
        "restic": kept.restic,
    }
    yield Contest(ours, kept.docker, others if listed else {})
