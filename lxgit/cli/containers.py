"""Commands about containers: ps, rm, inspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lxgit.cli.answers import container_name
from lxgit.cli.options import AsFormat, NoTrunc, Quiet
from lxgit.cli.params import argument, command, option
from lxgit.cli.session import Session

if TYPE_CHECKING:
    from lxgit.operations.values import RemovedContainer


@command(
    examples=(
        ("lxgit ps", "what runs"),
        ("lxgit ps -a --no-trunc", "the stopped ones too, whole ids and commands"),
        ("lxgit ps -aq", "ids alone"),
        ("lxgit ps -a --format json", "for programs"),
    )
)
def ps(
    session: Session,
    everything: Annotated[bool, option("-a", "--all", help="the stopped ones too")] = False,
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    format_: AsFormat = "table",
) -> None:
    """List running containers, the newest first."""
    from lxgit.cli.psview import container_fields, write_containers
    from lxgit.cli.tables import short_id, write_json
    from lxgit.operations.containers import list_containers

    repository = session.repository_to_list()
    rows = [] if repository is None else list_containers(repository, everything=everything)
    if quiet:
        for row in rows:
            session.out.line(short_id(row.id, whole=no_trunc))
    elif format_ == "json":
        write_json(session.out, map(container_fields, rows))
    else:
        write_containers(session.out, rows, no_trunc=no_trunc)


@command(
    examples=(
        ("lxgit rm web", ""),
        ("lxgit rm -f $(lxgit ps -aq)", "all there are, running or not"),
    )
)
def rm(
    session: Session,
    names: Annotated[
        tuple[str, ...], argument("CONTAINER", help="a name or an id", completes="container")
    ],
    force: Annotated[bool, option("-f", "--force", help="kill a running one first")] = False,
) -> None:
    """Delete containers, and what they have not committed."""
    from lxgit.operations.containers import remove_containers

    repository = session.repository()
    identity = session.identity()
    for removed in remove_containers(repository, names, force=force, identity=identity):
        session.out.line(_removed(removed))


def _removed(removed: RemovedContainer) -> str:
    lost = removed.uncommitted
    noun = "path" if lost == 1 else "paths"
    what = f", with {lost} uncommitted {noun}" if lost else ""
    return f"Deleted {container_name(removed.container).replace('C', 'c', 1)}{what}."


@command(
    examples=(
        ("lxgit inspect base", "an image: its commit and how it wants to run"),
        ("lxgit inspect web base", "a container, and an image"),
    )
)
def inspect(
    session: Session,
    names: Annotated[
        tuple[str, ...], argument("NAME", help="images, containers", completes="revision")
    ],
) -> None:
    """Show everything about images and containers, as JSON."""
    from json import dumps

    from lxgit.operations.inspecting import inspect

    session.out.line(dumps(inspect(session.repository(), names), indent=4))
