"""Commands about branches and HEAD: branch, checkout, switch."""

from __future__ import annotations

from lxgit.cli.answers import container_name, tell_dropped, write_removed
from lxgit.cli.options import AsFormat, NoTrunc, check_quiet, excludes, exclusive, take
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import Faults, printable, tell_damaged
from lxgit.cli.session import Session
from lxgit.cli.tables import columns, short_id, write_ids, write_json
from lxgit.errors import LxgitError, UsageError
from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import BranchRow, HeadMoved


@command(
    examples=(
        ("lxgit branch", "list them; * is HEAD's"),
        ("lxgit branch -v", "with the last commit of each"),
        ("lxgit branch -l 't*'", "those whose names begin so"),
        ("lxgit branch experiment base", "a new one, at 'base'"),
        ("lxgit branch -m tuned faster", "another name"),
        ("lxgit branch -d old", "delete one whose commits HEAD has too"),
    )
)
def branch(
    session: Session,
    names: Annotated[
        tuple[str, ...],
        argument("NAME [REV]", help="a new branch, at REV or HEAD", completes="branch"),
    ] = (),
    verbose: Annotated[bool, option("-v", "--verbose", help="with ids and subjects")] = False,
    show_current: Annotated[bool, option("--show-current", help="HEAD's, and no more")] = False,
    delete: Annotated[bool, option("-d", "--delete", help="delete what is merged")] = False,
    delete_anyway: Annotated[
        bool, option("-D", help="delete, merged or not; containers become detached")
    ] = False,
    move: Annotated[bool, option("-m", "--move", help="rename: [OLD] NEW")] = False,
    move_anyway: Annotated[bool, option("-M", help="rename over one that is there")] = False,
    force: Annotated[bool, option("-f", "--force", help="move one that is there")] = False,
    list_: Annotated[bool, option("-l", "--list", help="list those that match a NAME")] = False,
    quiet: Annotated[
        bool, option("-q", "--quiet", help="ids alone; with -d or -D nothing")
    ] = False,
    no_trunc: NoTrunc = False,
    format_: AsFormat = "table",
) -> int:
    """List, create, rename or delete branches."""
    exclusive(
        {
            "-D" if delete_anyway else "-d": delete or delete_anyway,
            "-M" if move_anyway else "-m": move or move_anyway,
            "--show-current": show_current,
            "-l": list_,
        }
    )
    if delete or delete_anyway:
        return _delete(session, names, force=delete_anyway or force, quiet=quiet)
    if move or move_anyway:
        _rename(session, names, force=move_anyway or force)
    elif show_current:
        excludes("--show-current", {"--format": format_ != "table"})
        take(names, 0, 0, "lxgit branch --show-current")
        current = [
            row.name for row in _rows(session, (), subjects=False) if row.current and row.name
        ]
        session.out.write("".join(f"{printable(name)}\n" for name in current))
    elif names and not list_:
        _create(session, names, force=force)
    else:
        check_quiet(format_, quiet=quiet, others={"-v": verbose})
        as_json = format_ == "json"
        rows = _rows(session, names, subjects=verbose or as_json)
        if as_json:
            write_json(session.out, map(_fields, rows))
        elif quiet:
            write_ids(session.out, (row.oid for row in rows), whole=no_trunc)
        else:
            width = max((columns(_name(row)) for row in rows), default=0) if verbose else 0
            for row in rows:
                session.out.line(_line(row, width, whole=no_trunc))
        return tell_damaged(session, ((_name(row), row.fault) for row in rows))
    return 0


def _rows(session: Session, patterns: tuple[str, ...], *, subjects: bool) -> list[BranchRow]:
    from lxgit.operations.branches import list_branches

    repository = session.repository_to_list()
    return [] if repository is None else list_branches(repository, patterns, subjects=subjects)


def _name(row: BranchRow) -> str:
    return row.name or f"(HEAD detached at {short_id(row.oid)})"


def _line(row: BranchRow, width: int, *, whole: bool) -> str:
    """As `git branch` has it, and with a width for the name, `git branch -v`."""
    line = f"{'*' if row.current else ' '} {_name(row)}"
    if not width:
        return printable(line)
    pad = " " * (width - columns(_name(row)))
    return printable(f"{line}{pad} {short_id(row.oid, whole=whole)} {_subject(row)}")


def _subject(row: BranchRow) -> str:
    return "(damaged)" if row.fault else row.subject


def _fields(row: BranchRow) -> dict[str, object]:
    return {"name": row.name, "id": row.oid, "current": row.current, "subject": row.subject}


def _delete(session: Session, names: tuple[str, ...], *, force: bool, quiet: bool) -> int:
    from lxgit.operations.branches import delete_branch

    take(names, 1, None, "lxgit branch -d NAME...")
    repository, who, faults = session.repository(), session.identity(), Faults(session)
    for name in names:
        with faults:
            removed = delete_branch(repository, name, force=force, identity=who)
            if not quiet:
                write_removed(session.out, [removed])
    return faults.exit_code


def _rename(session: Session, names: tuple[str, ...], *, force: bool) -> None:
    from lxgit.operations.branches import rename_branch

    take(names, 1, 2, "lxgit branch -m [OLD] NEW")
    old, new = names if len(names) == 2 else (None, names[0])
    repository, who = session.repository(), session.identity()
    dropped = rename_branch(repository, old, new, force=force, identity=who)
    tell_dropped(session, f"branch '{new}'", dropped)


def _create(session: Session, names: tuple[str, ...], *, force: bool) -> None:
    from lxgit.operations.branches import create_branch

    take(names, 1, 2, "lxgit branch NAME [REV]")
    start = names[1] if len(names) == 2 else None
    repository, who = session.repository(), session.identity()
    dropped = create_branch(repository, names[0], start, force=force, identity=who)
    tell_dropped(session, f"branch '{names[0]}'", dropped)


Detach = Annotated[bool, option("--detach", help="at the commit, on no branch")]
Silent = Annotated[bool, option("-q", "--quiet", help="without a word")]


@command(
    examples=(
        ("lxgit checkout base", "what 'run' and 'commit' mean from now on"),
        ("lxgit checkout -b tuned2 base", "a new branch for an experiment"),
        ("lxgit checkout base~0", "a commit, on no branch"),
        ("lxgit checkout -", "back to where HEAD was"),
        ("lxgit checkout --merge tuned web", "a stopped container, with what it changed"),
        ("lxgit checkout --stash base web", "without that: 'lxgit stash pop web' has it back"),
    )
)
def checkout(
    session: Session,
    target: Annotated[
        str | None, argument("REV", help="a branch or a commit", completes="image")
    ] = None,
    container: Annotated[
        str | None,
        argument("CONTAINER", help="a stopped one, to move in HEAD's place", completes="container"),
    ] = None,
    new: Annotated[
        str | None, option("-b", help="make this branch, at REV or HEAD", metavar="NEW")
    ] = None,
    reset: Annotated[
        str | None, option("-B", help="the same, also when it is there", metavar="NEW")
    ] = None,
    merge: Annotated[
        bool, option("-m", "--merge", help="have the container keep its changes")
    ] = False,
    stash: Annotated[
        bool, option("--stash", help="put the container's changes away: 'stash pop' has them back")
    ] = False,
    detach: Detach = False,
    quiet: Silent = False,
) -> None:
    """Move HEAD to a branch, or to a commit: HEAD is detached then.

    No container is touched; those with changes on the branch that is left are named. With CONTAINER
    that one is put on the commit, and HEAD stays. It must have no changes, unless --merge carries
    them over: path by path, and if both sides have changed one, nothing is done; or --stash.
    """
    exclusive({"-b": new is not None, "-B": reset is not None, "--detach": detach})
    name = reset if new is None else new
    if name is None:
        _refuse_paths(session, target, container)
    if container is not None and target is not None and name is None:
        exclusive({"--merge": merge, "--stash": stash})
        if detach:
            raise UsageError(
                "--detach moves HEAD, and no container",
                hint="'lxgit checkout ID CONTAINER', a commit's id, has it on no branch",
            )
        _move_container(session, target, container, merge=merge, stash=stash, quiet=quiet)
        return
    if container is not None or merge or stash:
        raise UsageError("a container is moved to a commit", hint="lxgit checkout REV CONTAINER")
    if name is not None:
        moved = _to_new(session, name, target, force=reset is not None, forced="-B")
    elif target is None:
        raise UsageError("where to?", hint="lxgit checkout BRANCH, or -b NEW [REV]")
    else:
        moved = _to(session, target, detach=detach, only_branch=False)
    if not quiet:
        _tell_moved(session, moved)


def _refuse_paths(session: Session, target: str | None, container: str | None) -> None:
    """Git's `checkout [REV] -- PATH` is restore."""
    words = [word for word in (target, container) if word]
    paths = [word for word in words if word.startswith("/") or (word is container and ":/" in word)]
    if paths:
        from lxgit.operations.shellwords import shell_line

        source = words[:1] if words[:1] != paths[:1] else []
        its = next((word for word in source if _is_container(session, word)), None)
        wanted = [path if ":/" in path else f"{its or 'CONTAINER'}:{path}" for path in paths]
        options = ["--source", *source] if source and its is None else []
        raise UsageError(
            f"'{paths[0]}' is a path, not a commit or a container",
            hint=shell_line(("lxgit", "restore", *options, *wanted)),
        )


def _is_container(session: Session, name: str) -> bool:
    from lxgit.operations.lookup import classify

    with suppress(LxgitError):  # what is neither is told when it is asked for
        return not isinstance(classify(session.repository(), name), bytes)
    return False


@command(
    examples=(
        ("lxgit switch base", ""),
        ("lxgit switch -c tuned2 base", "a new branch"),
        ("lxgit switch --detach base:v1", "a commit, on no branch"),
    )
)
def switch(
    session: Session,
    target: Annotated[
        str | None, argument("BRANCH", help="a branch; - for the one before", completes="branch")
    ] = None,
    new: Annotated[
        str | None,
        option("-c", "--create", help="make this branch, at BRANCH or HEAD", metavar="NEW"),
    ] = None,
    reset: Annotated[
        str | None,
        option("-C", "--force-create", help="the same, also when it is there", metavar="NEW"),
    ] = None,
    detach: Detach = False,
    quiet: Silent = False,
) -> None:
    """Move HEAD to a branch. To a commit only with --detach."""
    exclusive({"-c": new is not None, "-C": reset is not None, "--detach": detach})
    name = reset if new is None else new
    if name is not None:
        moved = _to_new(session, name, target, force=reset is not None, forced="-C")
    elif target is None:
        raise UsageError("where to?", hint="lxgit switch BRANCH, or -c NEW [REV]")
    else:
        moved = _to(session, target, detach=detach, only_branch=True)
    if not quiet:
        _tell_moved(session, moved)


def _to(session: Session, target: str, *, detach: bool, only_branch: bool) -> HeadMoved:
    from lxgit.operations.branches import checkout

    return checkout(
        session.repository(),
        target,
        detach=detach,
        only_branch=only_branch,
        identity=session.identity(),
    )


def _move_container(
    session: Session, target: str, container: str, *, merge: bool, stash: bool, quiet: bool
) -> None:
    from lxgit.cli.moving import tell_moved
    from lxgit.operations.moving import checkout_container

    repository, who = session.repository(), session.identity()
    with session.progress() as progress:
        moved = checkout_container(
            repository,
            target,
            container,
            merge=merge,
            stash=stash,
            identity=who,
            progress=progress,
        )
    if not quiet:
        tell_moved(session, moved)


def _to_new(
    session: Session, name: str, start: str | None, *, force: bool, forced: str
) -> HeadMoved:
    """`forced` is the option that takes a branch that is there, too."""
    from lxgit.operations.branches import checkout_new
    from lxgit.operations.naming import RefExists

    identity = session.identity()
    try:
        return checkout_new(session.repository(), name, start, force=force, identity=identity)
    except RefExists as error:
        error.hint = f"'lxgit checkout {name}' goes to it, {forced} moves it"
        raise


def _tell_moved(session: Session, moved: HeadMoved) -> None:
    """As Git tells it, and what is left behind."""
    out, branch = session.out, printable(moved.new_branch or "")
    if moved.old_branch is None and moved.old_oid not in (None, moved.new_oid):
        out.line(f"Previous HEAD position was {short_id(moved.old_oid or '')}")
    if moved.new_branch is None:
        out.line(printable(f"HEAD is now at {short_id(moved.new_oid)} {moved.subject}".rstrip()))
    elif moved.created:
        out.line(f"Switched to a new branch '{branch}'")
    elif moved.new_branch == moved.old_branch:
        out.line(f"{'Reset branch' if moved.reset else 'Already on'} '{branch}'")
    else:
        how = "Switched to and reset" if moved.reset else "Switched to"
        out.line(f"{how} branch '{branch}'")
    for container in moved.left_behind:
        where = f"'{printable(container.branch)}'" if container.branch else "no branch"
        out.line(f"{container_name(container)} has changes, and stays on {where}")
    tell_dropped(session, f"branch '{moved.new_branch}'", moved.dropped)
    if moved.new_branch is None and moved.old_branch is not None:
        session.note("HEAD is on no branch now", hint="'lxgit checkout -b NEW' makes one here")
