"""The refs that keep from gc what containers stand on, made again where they are missing.

A command that is killed leaves none out (`attached.pin_commit`); somebody's `git update-ref -d`,
or a disk, may have taken one.
"""

from __future__ import annotations

import time
from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.objects.commits import ITSELF
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.refnames import BRANCHES, PINS, short_name
from lxgit.operations.attached import pin_commit, unpinned_commits
from lxgit.operations.values import Identity
from lxgit.runtime.containers import all_containers, edited
from lxgit.runtime.index import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.commits import Signature
    from lxgit.objects.ids import ObjectID
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class LostCommit(LxgitError):
    """A container stands on a commit that the store has not."""


class LostRef(LxgitError):
    """A branch or a tag is gone, and nobody deleted it."""


def check_refs(repository: Repository) -> None:
    """Raise LostRef where one is gone: not every Git keeps what a log without a ref reaches."""
    for name, oid in repository.refs.lost().items():
        word = "branch" if name.startswith(BRANCHES) else "tag"
        raise LostRef(
            f"the {word} '{short_name(name)}' is gone, and nobody deleted it",
            hint=f"'lxgit {word} {short_name(name)} {hex_id(oid)[:12]}' brings it back;"
            " 'lxgit fsck' lists all that are",
        )


def unkept(repository: Repository) -> set[ObjectID]:
    """The commits that containers stand on, and that no ref of theirs keeps."""
    return {
        from_hex(commit)
        for container in all_containers(repository.containers_dir)
        for commit in unpinned_commits(repository, container)
    }


def keep_all(repository: Repository) -> None:
    """Have what every container stands on kept. LostCommit."""
    for container in all_containers(repository.containers_dir):
        if unpinned_commits(repository, container):
            keep(repository, container)


def keep(repository: Repository, container: Container) -> None:
    """Have what a container stands on kept, as it is once nobody is about to change that."""
    signature = ITSELF._replace(time=int(time.time()))
    with suppress(NoSuchContainer), edited(container) as now, repository.writing():
        for commit in unpinned_commits(repository, now):
            if from_hex(commit) not in repository.objects:
                name = now.config.name
                raise LostCommit(
                    f"container '{name}' stands on commit {commit[:12]}, which is missing",
                    hint=f"'lxgit fsck' says what else is harmed; 'lxgit rm {name}' lets go of it",
                )
        _drop_damaged(repository, now, signature)
        who = Identity(signature, signature)
        pin_commit(repository, now.id, now.config.commit, who, base=now.config.base)


def _drop_damaged(repository: Repository, container: Container, who: Signature) -> None:
    """Let go of what never was: a reflog would go on to name it."""
    for ref in (f"{PINS}{container.id}", f"{PINS}{container.id}-base"):
        oid = repository.refs.read(ref)
        if oid is not None and oid not in repository.objects:
            repository.refs.update(ref, None, old=oid, message="damaged", who=who)
