"""What a name that a user typed stands for: a commit, its image, a path in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.objects.commits import Commit, decode_commit
from lxgit.objects.image import Image, NoSuchPath, read_image
from lxgit.objects.revisions import split_path

if TYPE_CHECKING:
    from lxgit.objects.entries import Entry
    from lxgit.objects.ids import ObjectID
    from lxgit.repository import Repository


def find_commit(repository: Repository, revision: str) -> ObjectID:
    """The commit that a revision names; UnknownRevision with the nearest names otherwise."""
    return repository.revisions.resolve(revision)


def read_commit(repository: Repository, oid: ObjectID) -> Commit:
    """The commit of that id."""
    return decode_commit(repository.objects.commit(oid))


def image_of(repository: Repository, oid: ObjectID) -> Image:
    """The image of a commit; NotAnImage for a commit of another tool's, NewerFormat."""
    return read_image(repository.objects, read_commit(repository, oid).tree)


def find_image(repository: Repository, revision: str) -> Image:
    """The image that a revision names."""
    return image_of(repository, find_commit(repository, revision))


def find_path(repository: Repository, spec: str) -> tuple[Image, bytes, Entry]:
    """What `REV[:PATH]` names: the image, the path without leading slash, what stands there.

    NoSuchPath when nothing does.
    """
    named = split_path(spec)
    image = find_image(repository, named.revision or "HEAD")
    path = clean_path(named.path or b"")
    entry = image.entry(path)
    if entry is None:
        raise NoSuchPath(
            f"'{named.revision}' has no '/{path.decode(errors='backslashreplace')}'",
            hint=f"'lxgit ls {named.revision}:/' lists what it has",
        )
    return image, path, entry


def clean_path(path: bytes) -> bytes:
    """A path of the machine without slashes at its ends, doubled ones, or `.` parts."""
    return b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))
