"""Containers from start to end, with layers at hand and without."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row, Void
from benchmarks.inputs import read_once
from benchmarks.peers.ostree import Ostree
from benchmarks.programs import Program, environment
from benchmarks.store import TRUE, Store
from benchmarks.workbench import IMAGE
from tests.support import rootfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.inputs import Image
    from benchmarks.peers.docker import Docker
    from benchmarks.peers.podman import Podman
    from benchmarks.workbench import Workbench

    _Peer = Docker | Podman

_TAR = ("--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf")
_OTHERS = 6
"""So many images that differ: one for each round, as each has its layer afterwards."""

_FILES = 100
_MOVED = "moved"
"""The container that changes commits."""

_CHANGE_MANY = """
find /usr/share /etc -xdev -type f | grep -vxE '/etc/(hosts|hostname|resolv.conf)' | sort |
awk -v first="$1" 'NR % 7 == first' | head -n "$2" |
while IFS= read -r file; do echo "$1" >> "$file"; done
"""
"""As many files as the second argument says, others with each first one; none that is injected."""


def rows(bench: Workbench) -> list[Row]:
    about = bench.inputs.large.about
    ostree = cache(partial(_ostree, bench))

    def switch(name: str, what: str, play: Callable[[Store, str], float]) -> Row:
        return Row(
            name,
            f"{what} that differs by {_FILES} files, without layers of its own",
            "`ostree checkout -H` of the whole tree",
            partial(_switch, bench, ostree, play),
            reach=0.1,
            rounds=_OTHERS - 1,
        )

    def run(name: str, peer: str, reach: float, install: Callable[[Image], _Peer]) -> Row:
        programs = partial(_programs, bench, install)
        return warm_run(name, TRUE, bench.inputs.large, peer, reach, programs)

    return [
        run("run", "podman `--runtime runc`", 0.8, bench.podman),
        run("run-docker", "docker", 0.6, bench.docker),
        Row(
            "materialise",
            f"the same from Git alone, {about}",
            "`tar --xattrs -xpf`",
            partial(_materialise, bench),
            reach=0.7,
            rounds=4,
            warm_up=0,
        ),
        switch("switch", "the same of another commit", Store.run_true),
        switch("checkout", "`checkout COMMIT CONTAINER`, a commit", _move),
    ]


def warm_run(
    name: str,
    words: Sequence[str],
    image: Image,
    peer: str,
    reach: float,
    programs: Callable[[], AbstractContextManager[tuple[Program, Program]]],
) -> Row:
    """A container of `image` that does nothing, run with these words by both `programs`."""

    @contextmanager
    def setup() -> Iterator[Contest]:
        with programs() as both:
            ours, theirs = (partial(one.seconds, *words, IMAGE, "true") for one in both)
            yield Contest(ours, theirs)

    about = f"`{' '.join((*words, 'IMAGE', 'true'))}`, {image.about}, warm"
    return Row(name, about, peer, setup, reach, rounds=15, warm_up=3)


@contextmanager
def _programs(
    bench: Workbench, install: Callable[[Image], _Peer]
) -> Iterator[tuple[Program, Program]]:
    both = bench.store(bench.inputs.large).program, install(bench.inputs.large).program
    bench.settle()
    yield both


@contextmanager
def _materialise(bench: Workbench) -> Iterator[Contest]:
    """Both sides read what is in the page cache: Git's pack, or the archive."""
    store, archive = bench.store(bench.inputs.large), bench.inputs.large.archive()
    tar = Program(("/usr/bin/tar", *_TAR), environment(bench.directory))

    def ours() -> float:
        store.lose_layers()
        for pack in (store.directory / "git/objects/pack").glob("*.pack"):
            read_once(pack)
        bench.settle()
        return store.run_true(IMAGE)

    def peer() -> float:
        place = bench.place("tree")
        place.mkdir()
        read_once(archive)
        bench.settle()
        return tar.seconds(str(archive), "-C", str(place))

    yield Contest(ours, peer)


@contextmanager
def _switch(
    bench: Workbench, ostree: Callable[[], Ostree], play: Callable[[Store, str], float]
) -> Iterator[Contest]:
    store = bench.new_store(bench.inputs.large)
    others = _differing(store)
    store.lose_layers()
    store.keep(IMAGE, _MOVED, "true")

    def ours() -> float:
        other = next(others, None)
        if other is None:
            raise Void(f"there are {_OTHERS} rounds at most, those that warm up included")
        bench.settle()
        return play(store, other)

    def peer() -> float:
        place = bench.place("checkout")
        bench.settle()
        return ostree().program.seconds("checkout", "-H", IMAGE, str(place))

    yield Contest(ours, peer)


def _ostree(bench: Workbench) -> Ostree:
    """A repository with the large image."""
    made = Ostree(bench.place("ostree"), "bare")
    tree = rootfs.extract_tar(bench.inputs.large.archive(), bench.place("tree"))
    shutil.rmtree(tree / "dev")
    made.commit(tree, IMAGE)
    return made


def _move(store: Store, image: str) -> float:
    return store.program.seconds("checkout", image, _MOVED)


def _differing(store: Store) -> Iterator[str]:
    """Images that differ from the base by as many files each, none the same."""
    names = []
    for number in range(_OTHERS):
        name = f"other-{number}"
        change = ("sh", "-c", _CHANGE_MANY, "sh", str(number), str(_FILES))
        store.keep(IMAGE, "changed", *change)
        store.program.run("commit", "-m", "Change many files", "changed", name)
        store.program.run("rm", "changed")
        names.append(name)
    if len(store.program.run("diff", "--name-only", IMAGE, names[-1]).splitlines()) < _FILES:
        raise Void(f"the image has not {_FILES} files to change")
    return iter(names)
