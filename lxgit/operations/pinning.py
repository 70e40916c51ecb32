"""The refs that keep from gc what containers stand on, made again where they are missing.

A command that is killed leaves none out (`pins.pin_commit`); somebody's `git update-ref -d`,
or a disk, may have taken one.
"""

from __future__ import annotations

import time
from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.objects.commits import ITSELF
from lxgit.objects.ids import from_hex
from lxgit.objects.lostrefs import LostRefs, lost_told
from lxgit.objects.refnames import PINS
from lxgit.operations.pins import pin_commit, unpinned_commits
from lxgit.operations.values import Identity
from lxgit.runtime.containers import all_containers, edited
from lxgit.runtime.index import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxgit.objects.commits import Signature
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class LostCommit(LxgitError):
    """A container stands on a commit that the store has not."""


_MOST_TOLD = 3


def keep_lost(repository: Repository, progress: Progress) -> None:
    """Have what branches and tags were kept that are gone though nobody deleted them.

    Told of as deleted ones: not every Git keeps what a log without a ref reaches. The caller keeps
    everybody from moving refs (Repository.collecting).
    """
    # Not through `repository.refs`, which would wait for whoever collects.
    refs = LostRefs(repository.git_dir)
    tell_lost(refs.bury_lost(repository.objects.__contains__, int(time.time())), progress)


def tell_lost(lost: Mapping[str, Sequence[ReflogEntry]], progress: Progress) -> None:
    """Warn of branches and tags that are gone, by their logs."""
    for name, log in list(lost.items())[:_MOST_TOLD]:
        assert log[0].new is not None
        progress.warn(": ".join(lost_told(name, log[0].new)))
    if len(lost) > _MOST_TOLD:
        progress.warn(f"so are {len(lost) - _MOST_TOLD} more: see 'lxgit reflog --deleted'")


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
        pin_commit(repository, now, now.config.commit, who, base=now.config.base)


def _drop_damaged(repository: Repository, container: Container, who: Signature) -> None:
    """Let go of what never was: a reflog would go on to name it."""
    for ref in (f"{PINS}{container.id}", f"{PINS}{container.id}-base"):
        oid = repository.refs.read(ref)
        if oid is not None and oid not in repository.objects:
            repository.refs.update(ref, None, old=oid, message="damaged", who=who)
