"""Commands that list: ps, images."""

from __future__ import annotations

from lxgit.cli.formats import wants_sizes, write_listing
from lxgit.cli.options import Filters, NoTrunc, Quiet, check_quiet, excludes, format_option
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import tell_damaged
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id, write_ids
from lxgit.errors import UsageError, some_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ContainerFilters = Annotated[
    tuple[str, ...],
    option("-f", "--filter", help="what fits alone", metavar="KEY=VALUE", completes="filter"),
]


@command(
    examples=(
        ("lxgit ps", "what runs"),
        ("lxgit ps -a --no-trunc", "the stopped ones too, whole ids and commands"),
        ("lxgit ps -aq", "ids alone"),
        ("lxgit ps -ls", "the last one that was made, with its size"),
        ("lxgit ps -a --filter status=exited --filter ancestor=base", ""),
        ("lxgit ps -a --format 'table {{.Names}}\\t{{.Status}}'", ""),
        ("lxgit ps -a --format json", "for programs"),
    )
)
def ps(
    session: Session,
    everything: Annotated[bool, option("-a", "--all", help="the stopped ones too")] = False,
    latest: Annotated[bool, option("-l", "--latest", help="the last one that was made")] = False,
    last: Annotated[
        int | None, option("-n", "--last", help="the last ones that were made", metavar="COUNT")
    ] = None,
    sizes: Annotated[
        bool, option("-s", "--size", help="what each takes, and its image with it")
    ] = False,
    since: Annotated[
        str | None, option("--since", help="made after this one", metavar="CONTAINER")
    ] = None,
    before: Annotated[
        str | None, option("--before", help="made before this one", metavar="CONTAINER")
    ] = None,
    filters: _ContainerFilters = (),
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    format_: Annotated[str, format_option("ID")] = "table",
) -> None:
    """List running containers, the newest first.

    Filters: name (a pattern), id, label, status, health, exited, ancestor, before, since, volume,
    network, publish, expose.
    """
    from lxgit.cli.psview import COLUMNS, HEAD, container_fields, template_fields
    from lxgit.operations.containers import ListedContainers, list_containers

    check_quiet(format_, quiet=quiet)
    if last is not None and last < 1:
        raise UsageError(f"-n {last} shows none", hint="-n 5, or -a for all")
    between = {"since": since, "before": before}
    filters = (*filters, *(f"{name}={value}" for name, value in between.items() if value))
    repository = session.repository_to_list()
    rows, damaged = (
        ListedContainers([], ())
        if repository is None
        else list_containers(
            repository,
            everything=everything,
            last=1 if latest else last,
            filters=filters,
            sizes=(sizes and not quiet) or wants_sizes(format_),
        )
    )
    if quiet:
        write_ids(session.out, (row.id for row in rows), whole=no_trunc)
    else:
        write_listing(
            session.out,
            format_,
            (template_fields(row, no_trunc=no_trunc) for row in rows),
            head=HEAD,
            columns=(*COLUMNS, "Size") if sizes else COLUMNS,
            fields=map(container_fields, rows),
        )
    _tell_damaged(session, damaged)


def _tell_damaged(session: Session, ids: Sequence[str]) -> None:
    if ids:
        named = some_of([*map(short_id, ids)])
        what = "a container is" if len(ids) == 1 else f"{len(ids)} containers are"
        session.note(f"{what} damaged: {named}", hint="'lxgit fsck' says more")


@command(
    examples=(
        ("lxgit images", ""),
        ("lxgit images base", "those of this name; base:v1 is one alone"),
        ("lxgit images -a", "commits that have no name too"),
        ("lxgit images --tree", "which is made of which"),
        ("lxgit images --viz | dot -Tsvg >images.svg", "the same as a picture, with merges"),
        ("lxgit images --filter 'reference=b*' --format '{{.Repository}} {{.Size}}'", ""),
        ("lxgit images --format json", "for programs"),
    )
)
def images(
    session: Session,
    name: Annotated[
        str | None, argument("NAME", help="NAME[:TAG], or a pattern", completes="image")
    ] = None,
    everything: Annotated[
        bool, option("-a", "--all", help="also commits that have no name, as <none>")
    ] = False,
    tree: Annotated[bool, option("--tree", help="under their parents, with sizes")] = False,
    viz: Annotated[bool, option("--viz", help="as a graph for Graphviz's dot")] = False,
    filters: Filters = (),
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    format_: Annotated[str, format_option("ID")] = "table",
) -> int:
    """List images: a line for each branch, under the tag 'latest', and for each tag.

    Filters: reference (a pattern), before, since, label, dangling (true: what no branch, tag or
    container comes from, and 'lxgit gc' drops when no reflog keeps it any more).
    """
    if tree or viz:
        excludes(
            "--tree" if tree else "--viz",
            {
                "NAME": name is not None,
                "--filter": bool(filters),
                "-q": quiet,
                "--format": format_ != "table",
                "--viz": tree and viz,
                "--no-trunc": viz and no_trunc,
            },
        )
        return _draw(session, tree=tree, no_trunc=no_trunc)
    check_quiet(format_, quiet=quiet)
    from lxgit.cli import imagesview as view
    from lxgit.operations.imagelist import select_images

    sizes = wants_sizes(format_)
    wanted = filters if name is None else (*filters, f"reference={name}")
    repository = session.repository_to_list()
    rows = (
        []
        if repository is None
        else select_images(repository, everything=everything, filters=wanted, sizes=sizes)
    )
    if quiet:
        write_ids(session.out, (row.oid for row in rows if not row.fault), whole=no_trunc)
        return tell_damaged(session, ((view.name(row), row.fault) for row in rows))
    write_listing(
        session.out,
        format_,
        (view.template_fields(row, no_trunc=no_trunc) for row in rows),
        head=view.HEAD,
        columns=view.COLUMNS,
        fields=map(view.image_fields, rows),
    )
    return tell_damaged(session, ((view.name(row), row.fault) for row in rows))


def _draw(session: Session, *, tree: bool, no_trunc: bool) -> int:
    """All images, and what they come from, as a tree or for Graphviz."""
    from lxgit.cli import imagesview as view
    from lxgit.operations.imagegraph import graph, sized_graph
    from lxgit.operations.images import list_images

    repository = session.repository_to_list()
    read = sized_graph if tree else graph
    rows = [] if repository is None else list_images(repository)
    nodes = [] if repository is None else read(repository, rows)
    if tree:
        view.write_tree(session.out, nodes, no_trunc=no_trunc)
    else:
        view.write_dot(session.out, nodes)
    return tell_damaged(session, ((view.name(row), row.fault) for row in rows))
