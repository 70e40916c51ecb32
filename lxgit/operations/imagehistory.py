"""`history`: how an image came to be, commit by commit along first parents."""

from __future__ import annotations

from lxgit.objects.messages import subject, trailers
from lxgit.operations.history import LogRequest, log
from lxgit.operations.lookup import IsContainer, find_container
from lxgit.operations.sizes import counted_sizes
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository


class Step(NamedTuple):
    """A line of `history`."""

    oid: str
    created: int
    """The committer's time, seconds since 1970."""
    command: str
    """What ran in the container that was committed; empty for an import."""
    size: int
    """What the files have that it added or changed, each file once, in bytes."""
    comment: str


def image_history(repository: Repository, revision: str) -> Iterator[Step]:
    """The commits of an image, the newest first. Errors of the name as `log`."""
    request = LogRequest(revisions=(revision,), first_parent=True, changes=True, names=False)
    try:
        entries = log(repository, request)
    except IsContainer as error:
        image = find_container(repository, revision).config.image
        error.hint = f"'lxgit history {image}' is about what it was made of"
        raise
    for entry in entries:
        yield Step(
            entry.oid,
            entry.committer.time,
            dict(trailers(entry.message)).get("Command", ""),
            sum(new for _, new in map(counted_sizes, entry.changes or ())),
            subject(entry.message),
        )
