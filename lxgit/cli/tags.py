"""The command tag."""

from __future__ import annotations

from lxgit.cli.answers import tell_dropped, write_removed
from lxgit.cli.options import (
    AsFormat,
    Message,
    NoTrunc,
    Quiet,
    check_quiet,
    exclusive,
    message_of,
    take,
)
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import Faults, printable, tell_damaged
from lxgit.cli.session import Session
from lxgit.cli.tables import write_ids, write_json
from lxgit.operations.messages import subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import TagRow


@command(
    examples=(
        ("lxgit tag", "list them"),
        ("lxgit tag v2 base", "a tag at 'base'"),
        ("lxgit tag base:v2 base", "one that 'base:v2' names, as in Docker"),
        ("lxgit tag base registry/base v2", "the same in Docker's order"),
        ('lxgit tag -a -m "The first release" base:r1 base', "one with a message"),
        ("lxgit tag -l 'base/*'", "those of 'base'"),
        ("lxgit tag -d base:v1", "delete one"),
    )
)
def tag(
    session: Session,
    names: Annotated[
        tuple[str, ...],
        argument("NAME [REV]", help="a new tag, at REV or HEAD", completes="image"),
    ] = (),
    annotate: Annotated[bool, option("-a", "--annotate", help="with who, when and why")] = False,
    message: Message = (),
    delete: Annotated[bool, option("-d", "--delete", help="delete tags", completes="tag")] = False,
    force: Annotated[bool, option("-f", "--force", help="move one that is there")] = False,
    list_: Annotated[bool, option("-l", "--list", help="list those that match NAME")] = False,
    with_messages: Annotated[bool, option("-n", help="list with messages")] = False,
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    format_: AsFormat = "table",
) -> int:
    """List, create or delete tags.

    With three arguments it is Docker's: IMAGE REPOSITORY TAG.
    """
    making = "-a" if annotate else "-m"
    exclusive(
        {
            "-d": delete,
            "-n" if with_messages else "-l": list_ or with_messages,
            making: annotate or bool(message),
        }
    )
    check_quiet(format_, quiet=quiet, others={"-n": with_messages})
    if delete:
        return _delete(session, names)
    if list_ or with_messages or not (names or annotate or message):
        take(names, 0, 1, "lxgit tag -l [PATTERN]")
        rows = _rows(session, names[0] if names else None)
        if format_ == "json":
            write_json(session.out, map(_fields, rows))
        elif quiet:
            write_ids(session.out, (row.oid for row in rows if not row.fault), whole=no_trunc)
        else:
            for row in rows:
                session.out.line(_line(row, with_message=with_messages))
        return tell_damaged(session, ((row.name, row.fault) for row in rows))
    _create(session, names, message=message_of(message), annotate=annotate, force=force)
    return 0


def _rows(session: Session, pattern: str | None) -> list[TagRow]:
    from lxgit.operations.tags import list_tags

    repository = session.repository_to_list()
    return [] if repository is None else list_tags(repository, pattern)


def _fields(row: TagRow) -> dict[str, object]:
    return {"name": row.name, "id": row.oid, "message": row.message}


def _line(row: TagRow, *, with_message: bool) -> str:
    told = subject(row.message) if with_message else ""
    return printable(f"{row.name:15} {told}" if told else row.name)


def _delete(session: Session, names: tuple[str, ...]) -> int:
    from lxgit.operations.tags import delete_tag

    take(names, 1, None, "lxgit tag -d NAME...")
    repository, who, faults = session.repository(), session.identity(), Faults(session)
    for name in names:
        with faults:
            write_removed(session.out, [delete_tag(repository, name, identity=who)])
    return faults.exit_code


def _create(
    session: Session, names: tuple[str, ...], *, message: str | None, annotate: bool, force: bool
) -> None:
    from lxgit.operations.tags import create_tag

    take(names, 1, 3, "lxgit tag NAME [REV]")
    name, revision = names[0], names[1] if len(names) > 1 else None
    if len(names) == 3:
        name, revision = f"{names[1]}:{names[2]}", names[0]
    repository = session.repository()
    if annotate and message is None:
        from lxgit.cli.editor import ask_message

        message = ask_message(session, "TAG_EDITMSG", f"The message of the tag '{name}'")
    dropped = create_tag(
        repository, name, revision, message=message, force=force, identity=session.identity()
    )
    tell_dropped(session, f"tag '{name}'", dropped)
