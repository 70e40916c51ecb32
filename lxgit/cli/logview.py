"""`log` and `show`: commits as Git shows them."""

from __future__ import annotations

from lxgit.cli.human import git_date, iso_date
from lxgit.cli.report import printable
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lxgit.cli.output import Writer
    from lxgit.operations.logvalues import Decoration, LogEntry
    from lxgit.operations.showing import AnnotatedTag
    from lxgit.operations.values import Signature, SizedChange


_YELLOW, _CYAN, _GREEN, _RESET = "\x1b[33m", "\x1b[1;36m", "\x1b[1;32m", "\x1b[m"


class Look(NamedTuple):
    """How `log` shows a commit. Its names are shown where it has some."""

    oneline: bool = False
    patch: bool = False
    stat: bool = False
    whole: bool = False
    """The whole id on the one line."""
    colour: bool = False
    line: Callable[[SizedChange], str] | None = None
    """What shows each change where their names are all."""


def write_entry(out: Writer, entry: LogEntry, look: Look) -> None:
    """A commit as `git log` shows it, without an empty line before or after."""
    if look.oneline:
        write_oneline(out, entry, colour=look.colour, whole=look.whole)
    else:
        write_commit(out, entry, colour=look.colour)
    if not entry.changes or not (look.stat or look.patch or look.line):
        return
    if not look.oneline:
        out.line("---" if look.patch and look.stat else "")
    if look.line is not None:
        for change in entry.changes:
            out.line(look.line(change))
        return
    if look.stat:
        from lxgit.cli.changes import write_stat

        write_stat(out, entry.changes)
    if look.stat and look.patch:
        out.line()
    if look.patch and entry.comparison is not None:
        from lxgit.cli.diffview import write_diff

        write_diff(out, entry.changes, entry.comparison, colour=look.colour)


def write_commit(out: Writer, entry: LogEntry, *, colour: bool) -> None:
    """Who, when and why."""
    names = _decorations(entry.decorations, colour=colour)
    out.line(_painted(f"commit {entry.oid}", _YELLOW, colour=colour) + names)
    if len(entry.parents) > 1:
        from lxgit.cli.tables import short_id

        out.line(f"Merge: {' '.join(map(short_id, entry.parents))}")
    out.line(f"Author: {_person(entry.author)}")
    out.line(f"Date:   {git_date(entry.author.time, entry.author.offset)}")
    out.line()
    for line in entry.message.rstrip("\n").split("\n"):
        out.line("    " + printable(line, keep="\t"))


def write_oneline(out: Writer, entry: LogEntry, *, colour: bool, whole: bool = False) -> None:
    """A commit on one line: 12 digits, or its `whole` id, names, subject."""
    from lxgit.cli.tables import short_id
    from lxgit.operations.messages import subject

    names = _decorations(entry.decorations, colour=colour)
    digits = _painted(short_id(entry.oid, whole=whole), _YELLOW, colour=colour)
    out.line(f"{digits}{names} {printable(subject(entry.message))}".rstrip())


def write_tag(out: Writer, tag: AnnotatedTag, *, colour: bool) -> None:
    """An annotated tag as `git show` has it, above its commit."""
    out.line(_painted(f"tag {printable(tag.name)}", _YELLOW, colour=colour))
    if tag.tagger is not None:
        out.line(f"Tagger: {_person(tag.tagger)}")
        out.line(f"Date:   {git_date(tag.tagger.time, tag.tagger.offset)}")
    out.line()
    for line in tag.message.rstrip("\n").split("\n"):
        out.line(printable(line, keep="\t"))
    out.line()


def _decorations(decorations: Sequence[Decoration], *, colour: bool) -> str:
    """` (HEAD -> tuned, tag: v1, base)`, or nothing."""
    if not decorations:
        return ""
    names = ", ".join(_decoration(decoration, colour=colour) for decoration in decorations)
    left, right = (_painted(bracket, _YELLOW, colour=colour) for bracket in ("(", ")"))
    return f" {left}{names}{right}"


def _decoration(decoration: Decoration, *, colour: bool) -> str:
    kind = decoration.kind.value
    if kind == "HEAD":
        return _painted("HEAD", _CYAN, colour=colour)
    if kind == "tag":
        return _painted(f"tag: {printable(decoration.name)}", "\x1b[1;33m", colour=colour)
    name = _painted(printable(decoration.name), _GREEN, colour=colour)
    return f"{_painted('HEAD ->', _CYAN, colour=colour)} {name}" if decoration.current else name


def _painted(text: str, sequence: str, *, colour: bool) -> str:
    return f"{sequence}{text}{_RESET}" if colour else text


def _person(signature: Signature) -> str:
    return printable(f"{signature.name} <{signature.email}>")


def commit_fields(entry: LogEntry, *, patch: bool = False) -> dict[str, object]:
    """A commit for JSON; `changes` and `patch` only where they were asked for."""
    fields: dict[str, object] = {
        "id": entry.oid,
        "tree": entry.tree,
        "parents": list(entry.parents),
        "refs": [
            {"type": decoration.kind.value, "name": decoration.name, "current": decoration.current}
            for decoration in entry.decorations
        ],
        "author": _signature_fields(entry.author),
        "committer": _signature_fields(entry.committer),
        "message": entry.message,
    }
    if entry.changes is not None:
        from lxgit.cli.changes import change_fields

        fields["changes"] = [change_fields(sized) for sized in entry.changes]
    if patch and entry.comparison is not None:
        from lxgit.cli.diffview import diff_text

        fields["patch"] = diff_text(entry.changes or (), entry.comparison)
    return fields


def _signature_fields(signature: Signature) -> dict[str, str]:
    return {
        "name": signature.name,
        "email": signature.email,
        "date": iso_date(signature.time, signature.offset),
    }
