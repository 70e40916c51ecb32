"""`fsck`: verify all that the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects.git import GitFailed
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.refnames import short_name
from lxgit.objects.verify import ImageVerifier
from lxgit.operations.lookup import read_commit
from lxgit.operations.values import Problem
from lxgit.runtime.containers import all_containers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.progress import Progress
    from lxgit.repository import Repository


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
    lines = said.decode(errors="replace").splitlines()
    if not repository.refs.list():  # an empty store is sound: its HEAD has no branch yet
        lines = [line for line in lines if not line.startswith("notice: ")]
    for line in dict.fromkeys(lines):
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
