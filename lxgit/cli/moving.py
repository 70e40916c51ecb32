"""Commands that put a stopped container back: reset, restore. `checkout` has the rest."""

from __future__ import annotations

from lxgit.cli.answers import container_name
from lxgit.cli.human import shown_path
from lxgit.cli.options import Stopped
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import printable
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id
from lxgit.errors import UsageError, some_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import ContainerMoved, ContainerReset, Stash


@command(
    examples=(
        ("lxgit reset --hard", "the only changed container of HEAD's branch"),
        ("lxgit reset --hard web", "and what it had is kept as a commit"),
    )
)
def reset(
    session: Session,
    container: Stopped = None,
    hard: Annotated[bool, option("--hard", help="drop its changes: there is no other way")] = False,
) -> None:
    """Drop what a stopped container has changed since its commit.

    What it had is kept as a commit, whose id is printed, until the next such command or 'rm'.
    """
    from lxgit.operations.moving import container_to_reset, reset

    repository = session.repository()
    found = container_to_reset(repository, container) if hard or container else ""
    if not hard:
        raise UsageError(
            "a container has no index: only its files can be reset",
            hint=f"lxgit reset --hard {container or '[CONTAINER]'}",
        )
    who = session.identity()
    with session.progress() as progress:
        done = reset(repository, found, identity=who, progress=progress)
    _tell(session, done, "dropped")


@command(
    examples=(
        ("lxgit restore web:/etc/motd", "as its commit has it"),
        ("lxgit restore /etc", "of the only changed container of HEAD's branch"),
        ("lxgit restore --source base web:/etc/motd web:/srv", "as another commit has them"),
    )
)
def restore(
    session: Session,
    paths: Annotated[
        tuple[str, ...],
        argument(
            "[CONTAINER:]PATH", help="files, or directories with all below", completes="inside"
        ),
    ],
    source: Annotated[
        str | None,
        option(
            "-s",
            "--source",
            help="a commit; the container's own by default",
            metavar="REV",
            completes="image",
        ),
    ] = None,
) -> None:
    """Put paths of a stopped container back to what its commit has; what that has not goes.

    Other names that the commit has for a file are linked to it again, unless they have changed.

    What the container had is kept as a commit, whose id is printed, until the next such command or
    'rm'.
    """
    from lxgit.operations.moving import restore

    name, wanted = _split(paths)
    repository, who = session.repository(), session.identity()
    with session.progress() as progress:
        done = restore(repository, name, wanted, source, identity=who, progress=progress)
    _tell(session, done, "restored")
    if done.apart:
        session.note(
            f"changed, and so not linked again: {some_of([*map(shown_path, done.apart)])}",
            hint="'lxgit restore' of these links them, too",
        )


def _split(paths: tuple[str, ...]) -> tuple[str | None, list[bytes]]:
    """The container that the paths are of, and they: `web:/etc/motd`, or `/etc/motd`."""
    from os import fsencode

    parts = [path.partition(":/") for path in paths]
    names = {name if colon else None for name, colon, _ in parts}
    if any(not colon and not name.startswith("/") for name, colon, _ in parts):
        wrong = next(name for name, colon, _ in parts if not colon and not name.startswith("/"))
        container, _, path = wrong.rpartition(":")
        alone = f"/{wrong}, or of a container all: {wrong}:/"
        meant = f"{container}:/{path}" if container else alone
        raise UsageError(f"'{wrong}' is no path", hint=meant)
    if len(names) > 1:
        raise UsageError("these are paths of several containers", hint="one container at a time")
    return names.pop(), [fsencode(rest if colon else name) for name, colon, rest in parts]


def _tell(session: Session, done: ContainerReset, verb: str) -> None:
    noun = "path" if done.paths == 1 else "paths"
    session.out.line(f"{container_name(done.container)}: {verb} {done.paths} {noun}")
    tell_kept(session, done.container.name, done.kept)


def tell_moved(session: Session, moved: ContainerMoved) -> None:
    """What `checkout REV CONTAINER` did."""
    where = f"branch '{moved.branch}'" if moved.branch else "no branch"
    name = container_name(moved.container)
    session.out.line(
        printable(f"{name}: {short_id(moved.old)} -> {short_id(moved.new)}, on {where}")
    )
    if moved.carried:
        noun = "path" if moved.carried == 1 else "paths"
        session.out.line(f"Carried the changes of {moved.carried} {noun} over")
    if moved.stashed is not None:
        session.out.line(saved(moved.stashed))
        name = moved.container.name
        session.note("its changes are put away", hint=f"'lxgit stash pop {name}' has them back")
    tell_kept(session, moved.container.name, moved.kept)


def saved(stash: Stash) -> str:
    """That a stash was made, in Git's words."""
    return printable(f"Saved {stash.message}")


def tell_kept(session: Session, name: str, kept: str | None) -> None:
    """That what a container was is a commit, if it is."""
    if kept is not None:
        session.note(
            f"what it was is kept as {short_id(kept)}",
            hint=f"'lxgit restore --source {short_id(kept)} {name}:/' brings all of it back",
        )
