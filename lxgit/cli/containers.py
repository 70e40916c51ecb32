"""Commands about containers: rm, inspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lxgit.cli.answers import container_name
from lxgit.cli.params import argument, command, option
from lxgit.cli.session import Session

if TYPE_CHECKING:
    from lxgit.operations.values import RemovedContainer


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
    volumes: Annotated[
        bool, option("-v", "--volumes", help="and its volumes that nobody has named")
    ] = False,
) -> None:
    """Delete containers, and what they have not committed."""
    from lxgit.operations.containers import remove_containers

    repository = session.repository()
    identity = session.identity()
    removed_ones = remove_containers(
        repository, names, force=force, volumes=volumes, identity=identity
    )
    for removed in removed_ones:
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
