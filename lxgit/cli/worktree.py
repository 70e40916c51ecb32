"""Commands about what a container changed: status, commit."""

from __future__ import annotations

from lxgit.cli.changes import change_fields, status_line, total
from lxgit.cli.human import quote_path
from lxgit.cli.options import AsText, Message, OneContainer, exclusive, message_of, take
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import printable
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id
from lxgit.errors import UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.committing import CommitRequest
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.store import Repository
    from lxgit.operations.values import CommitPlan, ContainerChanges, Status


@command(
    examples=(
        ("lxgit status", "every changed or running container of HEAD's branch"),
        ("lxgit status web", "one container, whatever branch it is on"),
        ("lxgit status --format json", "for programs"),
    )
)
def status(
    session: Session,
    container: OneContainer = None,
    format_: AsText = "text",
) -> None:
    """Show what containers changed against the commits that they stand on.

    A path is A (added), M (modified), D (deleted) or T (of another type now); in brackets its
    sizes, and what of its metadata changed. Files that their size tells apart are not read: their
    "id" in JSON is null, and so are those of directories above. 'diff --format json' has them all.
    """
    from lxgit.operations.changed import status

    found = status(session.repository(), container)
    if format_ == "json":
        _write_json(session, found)
        return
    if container is None:
        session.out.line(_head_line(found))
    for position, one in enumerate(found.containers):
        if position or container is None:
            session.out.line()
        _write_container(session, one)
    if not found.containers:
        session.out.line(_nothing(found))


def _head_line(found: Status) -> str:
    if found.branch is not None:
        return f"On branch {printable(found.branch)}"
    return f"HEAD detached at {short_id(found.head or '')}"


def _nothing(found: Status) -> str:
    if found.head is None:
        return "No commits yet ('lxgit bootstrap' and 'lxgit import' make them)"
    return "Nothing to commit: no container of it has changed or is running"


def _write_container(session: Session, one: ContainerChanges) -> None:
    out = session.out
    out.line(f"{_named(one.container)}:")
    for change in one.changes:
        out.line(f"  {status_line(change)}")
    nothing = "its changes are lost: see 'lxgit fsck'" if one.lost else "no changes"
    out.line(f"  {total(one.changes) if one.changes else nothing}")
    if one.not_recorded:
        quoted = (quote_path(place.encode(errors="surrogateescape")) for place in one.not_recorded)
        places = ", ".join(quoted)
        out.line(f"  volumes are not committed: {places}")


def _named(row: ContainerRow) -> str:
    branch = printable(row.branch or "no branch")
    return f"Container {row.name} ({short_id(row.id)}), {row.state.value}, on {branch}"


def _write_json(session: Session, found: Status) -> None:
    from json import dumps

    from lxgit.cli.psview import container_fields

    containers = [
        {
            **container_fields(one.container),
            "changes": [change_fields(change) for change in one.changes],
            "lost": one.lost,
            "not_recorded": list(one.not_recorded),
        }
        for one in found.containers
    ]
    session.out.line(
        dumps({"branch": found.branch, "head": found.head, "containers": containers}, indent=1)
    )


class Snapshot(NamedTuple):
    """What the commit says of the image's config, and how a running container's files are read."""

    changes: Annotated[
        tuple[str, ...],
        option(
            "-c",
            "--change",
            help="for the image's config: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL,"
            " ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR",
            metavar="INSTRUCTION",
        ),
    ] = ()
    run: Annotated[
        str | None,
        option("--run", help="the same, with the keys of 2013: Cmd, Env, …", metavar="JSON"),
    ] = None
    pause: Annotated[
        bool, option("--pause", help="a running one stands still meanwhile; --pause=false")
    ] = True


@command(
    examples=(
        ('lxgit commit -m "4 workers"', "the only changed container of HEAD's branch"),
        ('lxgit commit -m "Say hello" web', "this one"),
        ('lxgit commit -m "My first container" web f440/first_container', "on a new branch"),
        ('lxgit commit -m "Keep this" web base:kept', "as a tag alone"),
        ('lxgit commit --author "Ada <ada@example.org>" -m "Hers"', ""),
        ("lxgit commit -m Serve --change 'CMD [\"httpd\", \"-f\"]' --change 'EXPOSE 80'", ""),
        ("""lxgit commit -m Cat --run '{"Cmd": ["cat", "/srv/index"]}'""", "as in 2013"),
    )
)
def commit(
    session: Session,
    snapshot: Snapshot,
    names: Annotated[
        tuple[str, ...],
        argument(
            "CONTAINER [NAME[:TAG]]",
            help="the container, and where the commit goes",
            completes="container",
        ),
    ] = (),
    message: Message = (),
    file: Annotated[
        str | None, option("-F", "--file", help="the message, from a file or -", metavar="FILE")
    ] = None,
    author: Annotated[
        str | None,
        option("--author", help="who changed it: Name <email>", metavar="WHO"),
    ] = None,
    everything: Annotated[
        bool, option("-a", "--all", help="all that changed, as without: Git's habit")
    ] = False,
    allow_empty: Annotated[
        bool, option("--allow-empty", help="also when nothing has changed")
    ] = False,
    force: Annotated[
        bool, option("--force", help="move NAME, whatever its history; the reflog keeps it")
    ] = False,
    quiet: Annotated[bool, option("-q", "--quiet", help="without its id")] = False,
) -> None:
    """Record what a container changed as a commit, and print its id.

    The commit goes to the branch that the container was started from, or to NAME: a new branch,
    one whose tip the container stands on, or NAME:TAG, a tag. The container then stands on the new
    commit. One that runs goes on; it stands still while its files are read, unless --pause=false.
    Without -m the editor opens. What 'run' was told (-e, -w, COMMAND) is no part of it: --change
    is.
    """
    del everything  # a commit always has all that changed
    from lxgit.operations import committing

    repository = session.repository()
    request = _request(names, snapshot, allow_empty=allow_empty, force=force)
    identity = session.identity(author=author)
    text = _given_message(message, file)
    if text is None:
        text = _ask(session, repository, request)
    with session.progress() as progress:
        made = committing.commit(repository, request, text, identity=identity, progress=progress)
    if not quiet:
        session.out.line(short_id(made.oid))
    if made.dropped is not None:
        from lxgit.cli.answers import tell_dropped

        named = f"tag '{made.tag}'" if made.tag is not None else f"branch '{made.branch}'"
        tell_dropped(session, named, made.dropped)


def _request(
    names: tuple[str, ...], snapshot: Snapshot, *, allow_empty: bool, force: bool
) -> CommitRequest:
    """Docker's third argument of 2013, the tag, is taken as well."""
    from lxgit.operations.committing import CommitRequest

    take(names, 0, 3, "lxgit commit [CONTAINER [NAME[:TAG]]]")
    container = names[0] if names else None
    name = ":".join(names[1:]) if names[1:] else None
    return CommitRequest(
        container, name, force=force, allow_empty=allow_empty, **snapshot._asdict()
    )


def _given_message(paragraphs: tuple[str, ...], file: str | None) -> str | None:
    """What `-m` or `-F` say; None where the editor is to be asked."""
    exclusive({"-m": bool(paragraphs), "-F": file is not None})
    text = message_of(paragraphs)
    if file == "":
        raise UsageError("-F names no file", hint="-F FILE, or -F - for standard input")
    if file is not None:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as source:
            text = source.read().decode("utf-8", "surrogateescape")
    if text is not None and not text.strip():
        raise UsageError("the message is empty", hint="-m MESSAGE, or none for the editor")
    return text


def _ask(session: Session, repository: Repository, request: CommitRequest) -> str:
    """The message from the editor; what cannot be committed is refused before it opens."""
    from lxgit.cli.editor import ask_message, check_terminal
    from lxgit.operations.committing import prepare_commit

    check_terminal()
    return ask_message(session, "COMMIT_EDITMSG", _comments(prepare_commit(repository, request)))


def _comments(plan: CommitPlan) -> str:
    where = f"tag {plan.tag}" if plan.tag else f"branch {plan.branch}"
    head = f"Container {plan.container.name} ({short_id(plan.container.id)}), to the {where}:"
    return "\n".join((head, *(f"  {status_line(change)}" for change in plan.changes)))
