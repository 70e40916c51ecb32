"""What a name that a user typed stands for: a container, a commit, its image.

Looked up in this order: HEAD and refs; names of containers; the beginnings of ids, of containers
and commits; what else Git knows, such as `base~3`.
"""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.objects.ids import hex_id
from lxgit.objects.revisions import AmbiguousRevision, UnknownRevision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.objects.commits import Commit
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class AlreadyRunning(LxgitError):
    """The container runs."""


class IsContainer(LxgitError):
    """A container was named where only a commit will do."""


class IsPath(LxgitError):
    """`REV:/PATH` or `/PATH` was named where only a revision will do."""


def classify(repository: Repository, text: str) -> Container | ObjectID:
    """The container or the commit that `text` names.

    UnknownRevision with the nearest names; AmbiguousRevision with the candidates; IsPath.
    """
    oid = repository.revisions.find_ref(text)
    if oid is not None:
        return oid
    from lxgit.runtime.containers import load
    from lxgit.runtime.index import container_names

    containers = container_names(repository.containers_dir)
    identity = containers.get(text) or _by_prefix(repository, text)
    if identity is not None:
        try:
            return load(repository.containers_dir, identity)
        except FileNotFoundError:  # it has just been deleted
            containers.pop(text, None)
    try:
        return repository.revisions.resolve(text)
    except UnknownRevision:
        _refuse_path(repository, text)
        raise repository.revisions.unknown(text, containers) from None


def _refuse_path(repository: Repository, text: str) -> None:
    """Raise IsPath for a path with or without REV, and as `classify` where there is no such REV."""
    from lxgit.objects.revisionsyntax import split_path

    if text.startswith("/"):
        raise IsPath(
            f"'{text}' is a path, not a commit",
            hint=f"in HEAD it is 'HEAD:{text}', in a container 'CONTAINER:{text}'",
        )
    revision, path = split_path(text)
    if path is not None:
        classify(repository, revision)
        raise IsPath(
            f"'{text}' is a path, not a commit",
            hint=f"did you mean '{revision}'? '{os.fsdecode(path)}' is a path in it",
        )


def _by_prefix(repository: Repository, text: str) -> str | None:
    """The container whose id begins so; AmbiguousRevision when other ids do as well."""
    if not 4 <= len(text) <= 64 or text.strip("0123456789abcdef"):
        return None
    from lxgit.runtime.index import beginning_so

    found = beginning_so(repository.containers_dir, text)
    if not found:
        return None
    commits = [hex_id(oid) for oid in repository.revisions.find_prefix(text)]
    if len(found) + len(commits) > 1:
        told = [f"{identity[:12]} (a container)" for identity in found]
        raise AmbiguousRevision(text, [*told, *(f"{oid[:12]} (a commit)" for oid in commits)])
    return found[0]


def paths_apart(command: str, names: Sequence[str]) -> str:
    """The line for a command that takes paths behind `--`, where `names` have some among them."""
    from lxgit.objects.revisionsyntax import split_path, split_range
    from lxgit.objects.shellwords import shell_line

    revisions: list[str] = []
    paths: list[bytes] = []
    for name in names:
        if name.startswith("/"):
            paths.append(os.fsencode(name))
            continue
        one, dots, other = split_range(name) or (name, "", "")
        ends = split_path(one), split_path(other)
        revisions.append(f"{ends[0].revision}{dots}{ends[1].revision}")
        paths += [end.path for end in ends if end.path is not None]
    told = map(os.fsdecode, dict.fromkeys(paths))
    return shell_line(("lxgit", command, *revisions, "--", *told))


def find_commit(repository: Repository, revision: str) -> ObjectID:
    """The commit that a revision names; IsContainer, and errors as `classify`."""
    found = classify(repository, revision)
    if isinstance(found, bytes):
        return found
    raise IsContainer(
        f"'{revision}' is a container, not a commit",
        hint=f"'lxgit commit {revision} NEW' makes one of it, on a branch NEW",
    )


def find_image(repository: Repository, revision: str) -> ObjectID:
    """The commit of an image that a revision names, for whoever gives it a name.

    NotAnImage, NewerFormat, and errors as `find_commit`.
    """
    oid = find_commit(repository, revision)
    image_of(repository, oid)
    return oid


def find_container(repository: Repository, text: str) -> Container:
    """The container of that name or id. Errors as `find_container_id`."""
    from lxgit.operations.finding import find_container_id
    from lxgit.runtime.containers import load
    from lxgit.runtime.index import none_called

    identity = find_container_id(repository, text)
    try:
        return load(repository.containers_dir, identity)
    except FileNotFoundError:  # it has just been deleted
        raise none_called(text) from None


def read_commit(repository: Repository, oid: ObjectID) -> Commit:
    """The commit of that id; without parents, as in Git, where a shallow clone lacks any."""
    from lxgit.objects.commits import decode_commit

    commit = decode_commit(repository.objects.commit(oid))
    if commit.parents and os.path.exists(f"{repository.git_dir}/shallow"):
        from lxgit.objects.filecheck import shallow_commits

        is_whole = all(parent in repository.objects for parent in commit.parents)
        if not is_whole and oid in shallow_commits(repository.git_dir):
            return commit._replace(parents=())
    return commit


def image_of(repository: Repository, oid: ObjectID) -> Image:
    """The image of a commit; NotAnImage for a commit of another tool's, NewerFormat."""
    from lxgit.objects.image import read_image

    return read_image(repository.objects, read_commit(repository, oid).tree)


def clean_path(path: bytes) -> bytes:
    """A path of the machine without slashes at its ends, doubled ones, or `.` parts."""
    return b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))
