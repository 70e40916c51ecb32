"""`insert`: a file from the network becomes a commit on an image."""

from __future__ import annotations

from lxgit.build.archives import Archives
from lxgit.build.sources import TreeSource
from lxgit.build.taking import CopyRequest, is_address, is_repository, take
from lxgit.errors import UsageError
from lxgit.lean import NANOSECONDS
from lxgit.objects.filetree import FileTree
from lxgit.objects.ids import hex_id
from lxgit.objects.instructions import SHELL
from lxgit.objects.refnames import BRANCHES
from lxgit.operations.buildcache import cache_ref
from lxgit.operations.buildcommits import NO_PROGRAM, NewCommit, record
from lxgit.operations.buildcopying import writes
from lxgit.operations.consolidating import consolidate
from lxgit.operations.download import parts_of
from lxgit.operations.fetching import fetched
from lxgit.operations.lookup import find_commit, image_of
from lxgit.operations.ordinary import become_root
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository


class Inserted(NamedTuple):
    """The id of the commit, 40 digits, and the ref that is at it; None where the cache's is."""

    oid: str
    ref: str | None


def insert(
    repository: Repository,
    image: str,
    address: str,
    path: str,
    *,
    message: str | None = None,
    proxies: Mapping[str, str],
    identity: Identity,
    progress: Progress,
) -> Inserted:
    """Put what is at an address at a path of an image, as ADD does; its branch advances.

    Where `image` is no branch, nor HEAD on one, the commit is found by its id alone. UsageError;
    errors of `downloaded` and `copy_into`; RefMoved.
    """
    become_root()
    if not is_address(address) or is_repository(address):
        raise UsageError(f"'{address}' is no file's address", hint="http://… or https://…")
    parent = find_commit(repository, image)
    config = image_of(repository, parent).config
    shown = parts_of(address)._replace(query="", fragment="").geturl()
    with (
        Archives(repository.scratch_dir, progress) as archives,
        fetched(repository, (address,), proxies=proxies, progress=progress) as nodes,
    ):
        now = identity.committer.time * NANOSECONDS
        request = CopyRequest((address,), path, now, fetched=nodes)
        taken = take(TreeSource(FileTree()), request)
        words = (*SHELL, f"{NO_PROGRAM} ADD {shown} {path}")
        text = message or f"Insert {shown} at {path}"
        key = cache_ref(parent, text, path, taken.digest.hex())
        files = writes(repository, config, taken, request, archives, progress)
        oid = record(repository, NewCommit(parent, config, text, words, key), identity, files)
    ref = _branch(repository, image)
    if ref is not None:
        repository.refs.update(
            ref, oid, old=parent, message=f"insert: {shown}", who=identity.committer
        )
    consolidate(repository, progress)
    return Inserted(hex_id(oid), ref)


def _branch(repository: Repository, image: str) -> str | None:
    """The ref that an image's name stands for, if that is a branch's."""
    name = repository.revisions.ref_name(image)
    if name == "HEAD":
        head = repository.refs.head()
        return head if isinstance(head, str) else None
    return name if name is not None and name.startswith(BRANCHES) else None
