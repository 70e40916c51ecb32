"""What a store holds, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxgit.objects.diff import iter_differences
from lxgit.objects.filecheck import unindexed_faults
from lxgit.objects.ids import from_hex, hex_id
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.lookup import image_of
from lxgit.operations.prune import prune
from lxgit.operations.worktree import open_work_tree
from lxgit.progress import NullProgress
from lxgit.repository import NoStore, open_repository
from lxgit.runtime import networks, volumes
from lxgit.runtime.containers import all_containers, broken
from lxgit.runtime.idmap import UnmappedId
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.objects.image import Image
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_PINS = "refs/lxgit/containers/"


@dataclass(frozen=True, slots=True)
class State:
    """What was acknowledged: a value for each name.

    HEAD, branches and tags with their ids; that networks and volumes are there; containers with a
    digest of what they show, committed or not. Times of directories are left out: a container that
    starts changes some.
    """

    refs: dict[str, str]
    containers: dict[str, str]

    @classmethod
    def of(cls, store: Path) -> State:
        """What a store holds now; nothing when there is none."""
        try:
            repository = open_repository(store)
        except NoStore:
            return cls({}, {})
        refs = {
            name: hex_id(oid)
            for name, oid in repository.refs.list().items()
            if not name.startswith("refs/lxgit/")
        }
        head = repository.refs.head()
        if repository.refs.read("HEAD") is not None:  # else it names a branch to come
            refs["HEAD"] = head if isinstance(head, str) else hex_id(head)
        refs |= {f"network {name}": "there" for name in networks.names(repository.networks_dir)}
        refs |= {f"volume {name}": "there" for name in volumes.names(repository.volumes_dir)}
        containers = {}
        for container in all_containers(repository.containers_dir):
            try:
                with open_work_tree(repository, container) as tree:
                    shown = _shown(repository, container, tree.image)
            except UnmappedId as error:  # of one that was being made, and goes
                shown = error.message
            containers[container.config.name] = shown
        repository.objects.close()
        return cls(refs, containers)

    def lost(self, before: State, after: State) -> list[str]:
        """What is neither as it was before an operation nor as it is after it."""
        found = []
        for name in before.refs | after.refs | self.refs:
            now, allowed = self.refs.get(name), (before.refs.get(name), after.refs.get(name))
            if now not in allowed:
                found.append(f"{name} is {now}, and may be {allowed}")
        for name in before.containers:
            shown = self.containers.get(name)
            allowed = before.containers.get(name), after.containers.get(name)
            if shown not in allowed:
                found.append(f"container {name} shows {shown}, and may show {allowed}")
        return found

    def without_containers_beside(self, other: State) -> State:
        """The same with those containers alone that `other` has too, as far as they are there."""
        shared = self.containers.keys() & other.containers.keys()
        return State(self.refs, {name: self.containers[name] for name in shared})


def _shown(repository: Repository, container: Container, image: Image) -> str:
    """A digest of how an image differs from the first of its history."""
    command = ["rev-list", "--max-parents=0", container.config.commit]
    first = image_of(repository, from_hex(repository.git.run(command).strip()))
    changes = [repr(change) for change in iter_differences(first, image) if change.listed]
    return hashlib.sha256("\n".join(changes).encode()).hexdigest()[:12]


def faults(store: Path) -> list[str]:
    """What lxgit finds wrong with a store, by Git's words, too; and containers that gc may harm."""
    try:
        repository = open_repository(store)
    except NoStore:
        return []
    found = [problem.message for problem in fsck(repository, progress=NullProgress())]
    found += [f"container {one} is damaged" for one in broken(repository.containers_dir)]
    refs = repository.refs.list(_PINS)
    for container in all_containers(repository.containers_dir):
        pinned = {
            hex_id(oid) for name, oid in refs.items() if name.startswith(f"{_PINS}{container.id}")
        }
        if missing := {container.config.commit, container.mounted} - pinned:
            found.append(f"container {container.config.name} does not keep {missing}")
    repository.objects.close()
    return found


def git_faults(store: Path) -> list[str]:
    """What stock Git says of a store; that it has no branch yet is no fault."""
    repository = open_repository(store)
    said = StockGit(repository.git_dir).fsck().decode(errors="replace").splitlines()
    return said if repository.refs.list() else [one for one in said if "notice: " not in one]


def leftovers(store: Path) -> list[str]:
    """What a store has beyond its contents, after `prune` and, for packs, `gc`: left by a crash.

    And an entry of HEAD's reflog that never came to be; those of other refs `fsck` tells of.
    """
    try:
        repository = open_repository(store)
    except NoStore:
        return []
    prune(repository, progress=NullProgress())
    living = {container.id for container in all_containers(repository.containers_dir)}
    if unindexed_faults(repository.git_dir):  # of Git's, or named before its .keep was on the disk
        gc(repository, progress=NullProgress())
    found = temporary_files(store)
    found += [fault.message for fault in unindexed_faults(repository.git_dir)]
    head, log = repository.refs.read("HEAD"), repository.refs.reflog("HEAD")
    found += [f"HEAD's reflog: {one.message}" for one in log[:1] if one.new != head]
    found += [
        name for name in repository.refs.list(_PINS) if name.removeprefix(_PINS)[:64] not in living
    ]
    for index in (".names", ".ranges"):
        place = repository.containers_dir / index
        found += [
            f"{index}/{name}"
            for name in (os.listdir(place) if place.exists() else ())
            if os.readlink(place / name) not in living
        ]
    return found


def temporary_files(store: Path) -> list[str]:
    """What is unfinished in a store, locks, and packs that are kept from gc."""
    return [path for path in _files(store) if _is_temporary(path)]


def _files(store: Path) -> Iterator[str]:
    for directory, names, files in os.walk(store):
        for name in (*names, *files):
            yield os.path.relpath(os.path.join(directory, name), store)


def _is_temporary(path: str) -> bool:
    name = os.path.basename(path)
    if path.startswith(("containers/", "layers/")) and path.count("/") > 2:
        return False  # a container's own files, or a layer's
    return (
        name.startswith(("tmp_", "tmp-", ".tmp-", ".gone-"))
        or name.endswith((".lock", ".keep", ".tmp"))
        or os.path.dirname(path) == "tmp"
    ) and path not in ("containers/.lock", "networks/.lock", "volumes/.lock")


def ill_said(code: int, said: str) -> Iterator[str]:
    """What is not right about how a failure was told: one line, and a hint or none."""
    lines = said.splitlines()
    if code not in (0, 1):
        yield f"exit {code}: {said}"
    elif code and (
        len([line for line in lines if not line.startswith(("hint: ", "warning: "))]) != 1
        or not lines[-1].startswith(("lxgit: ", "hint: "))
    ):
        yield f"said {said!r}"
