"""Keeping the store: drop what can be made again, verify what cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects.git import GitFailed
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.refnames import short_name
from lxgit.objects.verify import ImageVerifier
from lxgit.operations.lookup import read_commit
from lxgit.operations.values import Problem, Pruned
from lxgit.runtime import bases
from lxgit.runtime.containers import all_containers
from lxgit.runtime.layers import LayerStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.progress import Progress
    from lxgit.repository import Repository


def prune(repository: Repository, *, dry_run: bool = False, progress: Progress) -> Pruned:
    """Drop every cached layer that no running container is mounted on.

    They are made again, from Git, when they are needed. Waits for commands that are making some.
    """
    layers = LayerStore(repository.layers_dir)
    bases.sweep()  # a mount would hold the space of what it shows
    with repository.lock("layers", what="the cache of layers"):
        pinned = _pinned(repository)
        drop = [layer for layer in layers.all_ids() if layer not in pinned]
        progress.phase("Dropping layers", len(drop))
        size = 0
        for layer in drop:
            size += _disk_usage(os.fspath(layers.path / layer))
            if not dry_run:
                layers.remove(layer)
            progress.advance()
        if not dry_run:
            layers.forget_broken_stacks()
    return Pruned(len(drop), size)


def _pinned(repository: Repository) -> set[str]:
    """The layers under running containers."""
    return {
        layer
        for container in all_containers(repository.containers_dir)
        if container.is_running
        for layer in container.config.stack
    }


def _disk_usage(top: str) -> int:
    """Bytes as the disk counts them; each inode once."""
    seen: set[int] = set()
    total = 0
    pending = [top]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * 512
    return total


def fsck(repository: Repository, *, progress: Progress) -> Iterator[Problem]:
    """Everything that is wrong with the store; nothing when it is sound.

    Objects and refs as `git fsck --strict` sees them; then each commit's image: format, config,
    every `%meta` against its tree, links against their members; then containers' commits.
    """
    progress.phase("Verifying objects")
    yield from _git_problems(repository)
    verifier = ImageVerifier(repository.objects)
    commits = _all_commits(repository)
    progress.phase("Verifying images", len(commits))
    for oid in commits:
        for fault in _image_faults(repository, verifier, oid):
            yield Problem(f"commit {hex_id(oid)[:12]}: {fault}", _affected(repository, oid))
        progress.advance()
    yield from _container_problems(repository)


def _git_problems(repository: Repository) -> Iterator[Problem]:
    command = ["fsck", "--strict", "--no-dangling", "--no-progress", "--full"]
    said = b""
    try:
        for chunk in repository.git.stream(command):
            said += chunk
    except GitFailed as error:
        said += error.stderr
    for line in dict.fromkeys(said.decode(errors="replace").splitlines()):
        yield Problem(line, hint="restore it from a clone")


def _all_commits(repository: Repository) -> list[ObjectID]:
    """Every commit that a ref reaches, the newest first; those that cannot be read end a line."""
    try:
        lines = repository.git.run(["rev-list", "--all", "--ignore-missing"]).split()
    except GitFailed:
        lines = [hex_id(oid).encode() for oid in set(repository.refs.list().values())]
    return [from_hex(line) for line in lines]


def _image_faults(repository: Repository, verifier: ImageVerifier, oid: ObjectID) -> Iterator[str]:
    try:
        tree = read_commit(repository, oid).tree
    except LxgitError as error:
        yield error.message
        return
    yield from verifier.faults(tree)


def _affected(repository: Repository, oid: ObjectID) -> tuple[str, ...]:
    """The branches and tags that have the commit in their history."""
    try:
        said = repository.git.run(
            ["for-each-ref", f"--contains={hex_id(oid)}", "--format=%(refname)"]
        )
    except GitFailed:
        return ()
    return tuple(short_name(line) for line in said.decode(errors="replace").split())


def _container_problems(repository: Repository) -> Iterator[Problem]:
    for container in all_containers(repository.containers_dir):
        oid = from_hex(container.config.commit)
        if oid not in repository.objects:
            yield Problem(
                f"container {container.id[:12]}: its commit {hex_id(oid)[:12]} is missing",
                (container.config.name,),
            )
