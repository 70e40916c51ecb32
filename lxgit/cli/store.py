"""Commands that keep the store: gc, prune, fsck."""

from __future__ import annotations

from lxgit.cli.human import size
from lxgit.cli.options import AsText
from lxgit.cli.params import Annotated, command, option
from lxgit.cli.report import printable
from lxgit.cli.session import Session
from lxgit.cli.tables import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import Problem


@command(
    examples=(
        ("lxgit gc -n", "only say what would go"),
        ("lxgit gc", ""),
        ("lxgit gc --now", "what was deleted or undone is gone for good"),
    )
)
def gc(
    session: Session,
    now: Annotated[
        bool, option("--now", help="keep nothing that only a reflog reaches or that is young")
    ] = False,
    dry_run: Annotated[bool, option("-n", "--dry-run", help="only say what would go")] = False,
    format_: AsText = "text",
) -> None:
    """Drop objects that nothing reaches any more, and pack the rest; compress idle layers.

    Kept is what a branch, a tag, a container or a reflog reaches: reflogs remember 90 days, 30 what
    was undone. Anything else goes two weeks after it was last used. A branch or tag that is lost,
    gone from the disk and not deleted, is kept as a deleted one, and warned of.
    """
    from lxgit.operations.gc import gc

    with session.progress() as progress:
        done = gc(session.repository(), now=now, dry_run=dry_run, progress=progress)
    if format_ == "json":
        write_json(session.out, [done._asdict()])
        return
    noun = "object" if done.objects == 1 else "objects"
    verb, freed = ("Would drop", "") if dry_run else ("Dropped", "freed ")
    session.out.line(
        f"{verb} {done.objects:,} {noun}, {freed}{size(done.freed)};"
        f" the store's objects take {size(done.size)}."
    )
    if done.reflog_entries:
        noun = "entry" if done.reflog_entries == 1 else "entries"
        session.out.line(f"{verb} {done.reflog_entries:,} {noun} of reflogs.")
    if done.gone_layers:
        noun = "layer" if done.gone_layers == 1 else "layers"
        session.out.line(f"{verb} {done.gone_layers} {noun} of {size(done.gone_layers_size)}.")
    if done.layers:
        noun = "layer" if done.layers == 1 else "layers"
        verb = "Would compress" if dry_run else "Compressed"
        freed = "" if dry_run else f", freed {size(done.layers_freed)}"
        session.out.line(f"{verb} {done.layers} idle {noun} of {size(done.layers_size)}{freed}.")


@command(examples=(("lxgit prune -n", "only say how much"), ("lxgit prune", "")))
def prune(
    session: Session,
    dry_run: Annotated[bool, option("-n", "--dry-run", help="only say what would go")] = False,
) -> None:
    """Drop cached layers that no running container is on.

    Nothing is lost: they are made again from Git when they are wanted, which takes its time.
    """
    from lxgit.operations.prune import prune

    with session.progress() as progress:
        pruned = prune(session.repository(), dry_run=dry_run, progress=progress)
    noun = "layer" if pruned.layers == 1 else "layers"
    verb = "Would drop" if dry_run else "Dropped"
    session.out.line(f"{verb} {pruned.layers} {noun}, {size(pruned.size)}.")


@command(
    examples=(
        ("lxgit fsck", ""),
        ("lxgit fsck --repair", "make again what can be made from Git"),
        ("lxgit fsck --format json", "for programs"),
    )
)
def fsck(
    session: Session,
    repair: Annotated[
        bool, option("--repair", help="make again what Git has all of; history stays as it is")
    ] = False,
    format_: AsText = "text",
) -> int:
    """Verify the whole store: objects, refs, reflogs, images, containers and cached layers.

    Of volumes and networks, whether they are there and say what they are.
    Exits with 1 when anything is wrong, and with --repair when anything still is.
    """
    from lxgit.operations.fsck import fsck

    found = []
    told = None
    with session.progress() as progress:
        for problem in fsck(session.repository(), repair=repair, progress=progress):
            found.append(problem)
            if format_ == "text":
                _write_problem(session, problem, told)
                told = None if problem.repaired else problem.hint
    if format_ == "json":
        write_json(session.out, (problem._asdict() for problem in found))
    elif not found:
        session.out.line("No faults found.")
    return 0 if all(problem.repaired for problem in found) else 1


def _write_problem(session: Session, problem: Problem, told: str | None) -> None:
    """Write it with its hint, unless that is what was `told` just now."""
    affected = f" (harms {', '.join(problem.affected)})" if problem.affected else ""
    repaired = " [repaired]" if problem.repaired else ""
    session.out.line(printable(f"{problem.message}{affected}{repaired}"))
    if problem.hint and problem.hint != told and not problem.repaired:
        session.out.line(printable(f"  hint: {problem.hint}"))
