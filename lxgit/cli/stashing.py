"""Commands about what containers changed and was put away: stash push, pop, list, show, drop."""

from __future__ import annotations

from lxgit.cli.answers import container_name
from lxgit.cli.formats import write_listing
from lxgit.cli.human import ago, iso_date
from lxgit.cli.moving import saved
from lxgit.cli.options import (
    Message,
    NoTrunc,
    OneContainer,
    Quiet,
    Stopped,
    check_quiet,
    format_option,
    message_of,
)
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id, write_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import DroppedStash, Stash

_Container = Annotated[
    str | None,
    argument("CONTAINER", help="the only one that has a stash by default", completes="container"),
]
_Which = Annotated[
    str | None, argument("STASH", help="stash@{1}, or 1; by default the youngest, 0")
]
_HEAD = {
    "Container": "CONTAINER",
    "Name": "STASH",
    "ID": "ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Message": "MESSAGE",
}
_COLUMNS = ("Container", "Name", "ID", "CreatedSince", "Message")


@command(
    examples=(
        ("lxgit stash push web", "it is as its commit then"),
        ('lxgit stash push -m "half of the tuning"', "the only changed one of HEAD's branch"),
    )
)
def push(
    session: Session,
    container: Stopped = None,
    message: Message = (),
) -> None:
    """Put away what a stopped container has changed, and have it be as its commit.

    It is a commit, which gc leaves alone until the stash or the container goes; 'stash pop' brings
    it back, also when the container is on another commit by then.
    """
    from lxgit.operations.stashing import push

    repository, who = session.repository(), session.identity()
    with session.progress() as progress:
        stash = push(repository, container, message_of(message), identity=who, progress=progress)
    session.out.line(f"{container_name(stash.container)}: {saved(stash)}")


@command(
    examples=(
        ("lxgit stash pop", "the youngest of the only container that has one"),
        ("lxgit stash pop web 1", "of this one, the one before"),
    )
)
def pop(session: Session, container: _Container = None, stash: _Which = None) -> None:
    """Bring a stash back into a stopped container, and delete it.

    The container may be on another commit by now, and have other changes. If one of these or the
    commit has changed a path of the stash, nothing is done, and the stash stays.
    """
    from lxgit.operations.stashing import pop

    repository, who = session.repository(), session.identity()
    with session.progress() as progress:
        popped = pop(repository, container, stash, identity=who, progress=progress)
    noun = "path" if popped.paths == 1 else "paths"
    name = container_name(popped.stash.container)
    session.out.line(f"{name}: brought {popped.paths} {noun} back")
    session.out.line(_dropped(popped.stash))


@command(
    examples=(
        ("lxgit stash list", "of all containers"),
        ("lxgit stash list web", "of one, the youngest first"),
        ("lxgit stash list --format '{{.Container}} {{.Name}} {{.Message}}'", ""),
        ("lxgit stash list --format json", "for programs"),
    )
)
def list_(
    session: Session,
    container: OneContainer = None,
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    format_: Annotated[str, format_option("Name")] = "table",
) -> None:
    """List stashes, the youngest of each container first. Their ids are those of commits.

    One that is damaged is listed as such: all that is left to do is to 'stash drop' it.
    """
    from lxgit.operations.stashing import list_stashes

    check_quiet(format_, quiet=quiet)
    repository = session.repository_to_list()
    rows = [] if repository is None else list_stashes(repository, container)
    if quiet:
        write_ids(session.out, (row.oid for row in rows), whole=no_trunc)
        return
    write_listing(
        session.out,
        format_,
        (_told(row, no_trunc=no_trunc) for row in rows),
        head=_HEAD,
        columns=_COLUMNS,
        fields=map(_fields, rows),
    )


def _told(stash: Stash, *, no_trunc: bool) -> dict[str, str]:
    return {
        "Container": stash.container.name,
        "Name": stash.name,
        "ID": short_id(stash.oid, whole=no_trunc),
        "CreatedSince": "" if stash.is_damaged else ago(stash.created),
        "CreatedAt": "" if stash.is_damaged else iso_date(stash.created, 0),
        "Message": stash.message,
    }


def _fields(stash: Stash) -> dict[str, object]:
    return {
        "container": stash.container.id,
        "container_name": stash.container.name,
        "name": stash.name,
        "id": stash.oid,
        "parent": stash.parent or None,
        "created": None if stash.is_damaged else iso_date(stash.created, 0),
        "message": stash.message,
    }


@command(
    examples=(
        ("lxgit stash show web", "which paths the youngest changes, and by how much"),
        ("lxgit stash show -p web 1", "as text"),
    )
)
def show(
    session: Session,
    container: _Container = None,
    stash: _Which = None,
    patch: Annotated[bool, option("-p", "--patch", help="as text")] = False,
) -> None:
    """Show what a stash changes against the commit that the container stood on."""
    from lxgit.cli.diff import write_comparison
    from lxgit.operations.stashing import find_stash
    from lxgit.operations.views import compare

    repository = session.repository()
    found = find_stash(repository, container, stash)
    with compare(repository, [found.parent, found.oid]) as comparison:
        session.page()
        write_comparison(session, comparison, stat=not patch)


@command(examples=(("lxgit stash drop web", "the youngest"), ("lxgit stash drop stash@{1}", "")))
def drop(session: Session, container: _Container = None, stash: _Which = None) -> None:
    """Delete a stash. Until gc has gone, 'lxgit restore --source ID' has what was in it."""
    from lxgit.operations.stashing import drop

    repository, who = session.repository(), session.identity()
    session.out.line(_dropped(drop(repository, container, stash, identity=who)))


def _dropped(stash: DroppedStash) -> str:
    return f"Dropped {stash.name} of {stash.container.name} ({short_id(stash.oid)})"
