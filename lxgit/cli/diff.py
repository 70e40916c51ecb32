"""The command diff."""

from __future__ import annotations

from functools import partial

from lxgit.cli.changes import change_fields, write_stat
from lxgit.cli.diffview import write_diff
from lxgit.cli.options import AsText, NameOnly, NameStatus, Paths, as_bytes, line_wanted
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import write_json
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.operations.comparison import Comparison
    from lxgit.operations.values import SizedChange


TROUBLE = 2
"""The exit code of a fault where 1 stands for differences."""


class _Hunks:
    """A comparison's texts, with so many lines around each change."""

    def __init__(self, comparison: Comparison, context: int) -> None:
        self.hunks = partial(comparison.hunks, context=context)


@command(
    examples=(
        ("lxgit diff", "what the only changed container of HEAD's branch changed"),
        ("lxgit diff web", "what this container changed"),
        ("lxgit diff base tuned", "two images; or base..tuned"),
        ("lxgit diff base tuned --stat -- /etc", "below /etc, paths alone"),
        ("lxgit diff base web --name-status", "an image and a container as it is now"),
        (
            "lxgit diff --quiet || [ $? -ne 1 ] || lxgit commit -m 'More of it'",
            "only where there is a change: it exits with 1 then, and with 2 for a fault",
        ),
    )
)
def diff(
    session: Session,
    names: Annotated[
        tuple[str, ...],
        argument("OLD [NEW]", help="revisions, containers, or A..B", completes="revision"),
    ] = (),
    stat: Annotated[bool, option("--stat", help="which paths, and by how much")] = False,
    name_status: NameStatus = False,
    name_only: NameOnly = False,
    context: Annotated[
        int, option("-U", "--unified", help="lines around a change", metavar="N")
    ] = 3,
    exit_code: Annotated[
        bool, option("--exit-code", help="exit with 1 for differences, 0 for none, 2 for a fault")
    ] = False,
    quiet: Annotated[
        bool, option("-q", "--quiet", help="--exit-code, and no other answer")
    ] = False,
    format_: AsText = "text",
    paths: Paths = (),
) -> int:
    """Show changes: text as a unified diff, other contents as sizes and ids, metadata by name.

    Of a container, against the commit that it stands on; of one revision, against HEAD. A..B are
    two revisions; A...B is B against where it left A.
    """
    from lxgit.operations.views import compare

    if context < 0:
        raise UsageError(
            f"-U{context}: there are no fewer than 0 lines around a change",
            hint="-U0 shows what changed alone",
        )
    line = line_wanted(name_status=name_status, name_only=name_only, stat=stat)
    wanted = as_bytes(paths)
    as_json = format_ == "json" and not quiet

    def step() -> bool:
        with compare(session.repository(), names, paths=wanted) as comparison:
            changes = comparison.changes
            if as_json:
                write_json(session.out, map(change_fields, changes))
            elif changes and not quiet:
                session.page()
                write_comparison(
                    session,
                    comparison,
                    stat=stat,
                    line=line,
                    context=context,
                )
        return bool(changes)

    if exit_code or quiet:
        return _differs(session, step, partial(write_json, session.out, ()) if as_json else None)
    step()
    return 0


def _differs(
    session: Session, step: Callable[[], bool], say_none: Callable[[], None] | None
) -> int:
    """The exit code of diff(1): 1 where the step says that there are differences, 2 for faults.

    That no container has changed is no fault, and `say_none` all there is to say.
    """
    from lxgit.cli.faultcodes import faults_exit_with
    from lxgit.operations.changed import NothingChanged

    with faults_exit_with(session, TROUBLE):
        try:
            return int(step())
        except NothingChanged:
            if say_none is not None:
                say_none()
            return 0


def write_comparison(
    session: Session,
    comparison: Comparison,
    *,
    stat: bool,
    line: Callable[[SizedChange], str] | None = None,
    context: int = 3,
) -> None:
    """What changed: how much, in a `line` each, or as text with so many lines of `context`."""
    if stat:
        write_stat(session.out, comparison.changes)
    elif line is not None:
        for change in comparison.changes:
            session.out.line(line(change))
    else:
        hunks = _Hunks(comparison, context)
        write_diff(session.out, comparison.changes, hunks, colour=session.colour)
