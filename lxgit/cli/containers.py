"""Commands about containers: rm, inspect."""

from __future__ import annotations

from lxgit.cli.answers import container_name
from lxgit.cli.formats import inspect_each
from lxgit.cli.options import format_option, template_option
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.report import Faults
from lxgit.cli.session import Session
from lxgit.cli.tables import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.operations.store import Repository
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
) -> int:
    """Delete containers, and what they have not committed."""
    from lxgit.operations.containers import remove_container

    repository, faults = session.repository(), Faults(session)
    for name in names:
        with faults:
            removed = remove_container(repository, name, force=force, volumes=volumes)
            session.out.line(_removed(removed))
    return faults.exit_code


def _removed(removed: RemovedContainer) -> str:
    told = f"Deleted {container_name(removed.container).replace('C', 'c', 1)}"
    return f"{_with_lost(told, removed)}."


def _with_lost(told: str, removed: RemovedContainer) -> str:
    """What is told of a container, and what goes with it that is kept nowhere else."""
    lost = []
    if count := removed.uncommitted:
        lost.append(f"{count} uncommitted {'path' if count == 1 else 'paths'}")
    if count := removed.stashes:
        lost.append(f"{count} {'stash' if count == 1 else 'stashes'}")
    return f"{told}, with {' and '.join(lost)}" if lost else told


_INSPECT = (
    ("lxgit inspect base", "an image: its commit and how it wants to run"),
    ("lxgit inspect web base", "a container, and an image"),
    ("lxgit inspect --format '{{.State.ExitCode}}' web", ""),
    ("lxgit inspect --format '{{range .Config.Env}}{{println .}}{{end}}' web", ""),
)

_Sizes = Annotated[bool, option("-s", "--size", help="how large they are too")]


@command(examples=_INSPECT)
def inspect(
    session: Session,
    names: Annotated[
        tuple[str, ...],
        argument("NAME", help="images, containers, networks, volumes", completes="revision"),
    ],
    kind: Annotated[
        Literal["image", "container", "network", "volume"] | None,
        option("--type", help="what a name stands for"),
    ] = None,
    sizes: _Sizes = False,
    format_: Annotated[str, template_option("Id")] = "json",
) -> int:
    """Show everything about what has a name, as JSON or by a template.

    A name that is neither an image's nor a container's is looked for among networks, then volumes.
    """
    return _inspect(session, names, kind, format_, sizes=sizes)


@command(examples=(("lxgit container inspect web", ""),))
def container_inspect(
    session: Session,
    names: Annotated[
        tuple[str, ...], argument("CONTAINER", help="names or ids", completes="container")
    ],
    sizes: _Sizes = False,
    format_: Annotated[str, template_option("Id")] = "json",
) -> int:
    """Show everything about containers, as JSON or by a template."""
    return _inspect(session, names, "container", format_, sizes=sizes)


@command(examples=(("lxgit image inspect base", ""),))
def image_inspect(
    session: Session,
    names: Annotated[tuple[str, ...], argument("IMAGE", help="names or ids", completes="image")],
    sizes: _Sizes = False,
    format_: Annotated[str, template_option("Id")] = "json",
) -> int:
    """Show everything about images, as JSON or by a template."""
    return _inspect(session, names, "image", format_, sizes=sizes)


def _inspect(
    session: Session, names: tuple[str, ...], kind: str | None, format_: str, *, sizes: bool
) -> int:
    repository = session.repository()
    sizes = sizes or ".Size" in format_
    return inspect_each(
        session, format_, names, lambda name: _look(repository, name, kind, sizes=sizes)
    )


def _look(
    repository: Repository, name: str, kind: str | None, *, sizes: bool
) -> Mapping[str, object]:
    from lxgit.operations.inspecting import inspect

    found = inspect(repository, name, kind, sizes=sizes)
    if isinstance(found, dict):
        return found
    from lxgit.cli.networks import network_values
    from lxgit.cli.volumes import volume_values
    from lxgit.operations.networks import NetworkRow

    return network_values(found) if isinstance(found, NetworkRow) else volume_values(found)


@command(
    examples=(
        ("lxgit container diff web", ""),
        ("lxgit container diff --format '{{.Kind}} {{.Path}}' web", ""),
    )
)
def container_diff(
    session: Session,
    container: Annotated[str, argument("CONTAINER", help="a name or an id", completes="container")],
    format_: Annotated[str, format_option("Path")] = "table",
) -> None:
    """List the paths that a container changed: A for added, C for changed, D for deleted.

    A directory that something was added to or deleted from counts as changed.
    """
    from lxgit.cli.human import shown_path
    from lxgit.operations.containerdiff import container_diff

    changes = container_diff(session.repository(), container)
    told = [{"Kind": change.kind, "Path": shown_path(change.path)} for change in changes]
    if format_ == "json":
        write_json(session.out, told)
        return
    from lxgit.cli.templates import write_templated

    form = "{{.Kind}} {{.Path}}" if format_ == "table" else format_
    write_templated(session.out, form, told, {"Kind": "CHANGE TYPE", "Path": "PATH"})


@command(
    examples=(
        ("lxgit container prune -f", "without it, on a terminal, it asks"),
        ("lxgit container prune -f --filter until=24h", "those that were made a day ago or before"),
        ("lxgit container prune -f --filter label!=keep", ""),
    )
)
def container_prune(
    session: Session,
    force: Annotated[bool, option("-f", "--force", help="do not ask")] = False,
    filters: Annotated[
        tuple[str, ...],
        option("--filter", help="until=TIME, label=NAME, label!=NAME", metavar="KEY=VALUE"),
    ] = (),
) -> None:
    """Delete all containers that do not run, with what they have not committed."""
    from lxgit.cli.human import size
    from lxgit.cli.moments import moment
    from lxgit.operations.containerprune import prunable, prune_containers, what_pruning_takes

    repository = session.repository()
    found = prunable(repository, filters, moment)
    if found and not force:
        from lxgit.cli.asking import confirm

        going = what_pruning_takes(repository, found)
        named = [_with_lost(removed.container.name, removed) for removed in going]
        confirm(session, f"this deletes {'; '.join(named)}")
    sizes = {row.id: row.size or 0 for row in found}
    total = 0
    for removed in prune_containers(repository, found):
        session.out.line(removed.container.id)
        if removed.uncommitted or removed.stashes:
            session.note(_with_lost(f"deleted '{removed.container.name}'", removed))
        total += sizes[removed.container.id]
    session.out.line(f"Total reclaimed space: {size(total)}")
