"""Commands about volumes: volume create, ls, inspect, rm, prune."""

from __future__ import annotations

from lxgit.cli.formats import inspect_each
from lxgit.cli.options import Filters, FiltersAlone, check_quiet, format_option, template_option
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.report import for_each
from lxgit.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.volumes import VolumeRow

Names = Annotated[tuple[str, ...], argument("VOLUME", help="names", completes="volume")]
_HEAD = {"Driver": "DRIVER", "Name": "VOLUME NAME", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT"}


@command(
    examples=(
        ("lxgit volume create data", ""),
        ("lxgit volume create --label stage=test", "with a name that nobody else has"),
    )
)
def create(
    session: Session,
    name: Annotated[str | None, argument("NAME", help="a new one by default")] = None,
    labels: Annotated[
        tuple[str, ...], option("--label", help="a note to it", metavar="NAME[=VALUE]")
    ] = (),
    driver: Annotated[
        Literal["local"], option("-d", "--driver", help="a directory of the store's: no other")
    ] = "local",
) -> None:
    """Make a volume, unless it is there, and print its name.

    A volume outlives its containers; 'run -v VOLUME:PATH' makes it too, and a new one gets what the
    image has at PATH.
    """
    del driver  # there is one
    from lxgit.cli.labels import labels_of
    from lxgit.operations.volumes import create_volume

    noted = labels_of(labels)
    session.out.line(create_volume(session.repository(create=True), name, noted))


@command(
    examples=(
        ("lxgit volume ls", ""),
        ("lxgit volume ls -q --filter dangling=true", "names of those that no container has"),
        ("lxgit volume ls --format '{{.Name}} {{.Mountpoint}}'", ""),
        ("lxgit volume ls --format json", "for programs"),
    )
)
def ls(
    session: Session,
    quiet: Annotated[bool, option("-q", "--quiet", help="names alone")] = False,
    filters: Filters = (),
    format_: Annotated[str, format_option("Name")] = "table",
) -> None:
    """List volumes. The driver of one whose volume.json cannot be read is "damaged".

    Filters: name (a part of it), label, dangling (true, false), driver.
    """
    from lxgit.operations.volumes import list_volumes, select_volumes

    check_quiet(format_, quiet=quiet)
    repository = session.repository_to_list()
    rows = [] if repository is None else list_volumes(repository)
    chosen = select_volumes(rows, filters)
    if quiet:
        for row in chosen:
            session.out.line(row.name)
        return
    from lxgit.cli.formats import write_listing

    fields = [volume_values(row) for row in chosen]
    columns = ("Driver", "Name")
    write_listing(session.out, format_, fields, head=_HEAD, columns=columns, fields=fields)


def volume_values(row: VolumeRow) -> dict[str, object]:
    """Everything about a volume: Docker's keys, and who has it."""
    from lxgit.cli.moments import nanosecond_stamp

    return {
        "CreatedAt": nanosecond_stamp(row.created) if row.created else "",
        "Driver": row.driver,
        "Labels": dict(row.labels),
        "Mountpoint": row.path,
        "Name": row.name,
        "Options": None,
        "Scope": "local",
        "Containers": list(row.containers),
    }


@command(
    examples=(
        ("lxgit volume inspect stuff", ""),
        ("lxgit volume inspect --format '{{.Mountpoint}}' stuff", "where its files are"),
    )
)
def inspect(
    session: Session, names: Names, format_: Annotated[str, template_option("Mountpoint")] = "json"
) -> int:
    """Show everything about volumes, as JSON or by a template."""
    from lxgit.operations.volumes import find_volume

    repository = session.repository()
    return inspect_each(
        session, format_, names, lambda name: volume_values(find_volume(repository, name))
    )


@command(examples=(("lxgit volume rm stuff", ""),))
def rm(
    session: Session,
    names: Names,
    force: Annotated[bool, option("-f", "--force", help="pass over such as there are not")] = False,
) -> int:
    """Delete volumes, with what is in them. One that a container has, running or not, stays."""
    from lxgit.operations.volumes import remove_volume

    repository = session.repository()
    return for_each(session, names, lambda name: remove_volume(repository, name, force=force))


@command(
    examples=(
        ("lxgit volume prune -f", "the unnamed that no container has"),
        ("lxgit volume prune -f -a --filter label=stage=test", "the named ones too"),
    )
)
def prune(
    session: Session,
    everything: Annotated[
        bool, option("-a", "--all", help="those that somebody has named, too")
    ] = False,
    filters: FiltersAlone = (),
    force: Annotated[bool, option("-f", "--force", help="do not ask")] = False,
) -> None:
    """Delete the volumes that no container has, and print their names."""
    from lxgit.cli.human import size
    from lxgit.operations.volumes import prune_volumes

    if not force:
        from lxgit.cli.asking import confirm

        which = "volumes" if everything else "unnamed volumes"
        confirm(session, f"this deletes {which} that no container has")
    pruned = prune_volumes(session.repository(), everything=everything, filters=filters)
    for name in pruned.names:
        session.out.line(name)
    session.out.line(f"Total reclaimed space: {size(pruned.size)}")
