"""`diff` and `show`: a unified diff in Git's form, and the metadata beside it.

The frame is Git's (git-diff, "Generating patch text with -p"). What Git does not know is told in
lines of the same make: `old owner 0:0`, `new owner 33:33`. Modes are whole: 104755. patch(1) takes
the texts of files out of it, and `git apply` a diff that has nothing else and modes.
"""

from __future__ import annotations

from lxgit.cli.changes import full_mode
from lxgit.cli.human import nanosecond_date, quote_path, size
from lxgit.cli.output import Writer
from lxgit.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    from lxgit.operations.values import Entry, SizedChange
else:
    Protocol = object

_BOLD, _RED, _GREEN, _CYAN, _RESET = b"\x1b[1m", b"\x1b[31m", b"\x1b[32m", b"\x1b[36m", b"\x1b[m"
_COLOURS = {b"+": _GREEN, b"-": _RED, b"@": _CYAN}
_ORDINARY = ("owner", "0:0")  # not worth a line where a path is new
_NO_ID = "0" * 12


class TextSource(Protocol):
    """Where the texts of a comparison come from."""

    def hunks(self, sized: SizedChange) -> bytes | None:
        """The hunks of a unified diff, from `@@` on; None when a side is no text or too large."""


def write_diff(
    out: Writer, changes: Iterable[SizedChange], source: TextSource, *, colour: bool
) -> None:
    """Every change, one after the other."""
    bold = _BOLD if colour else b""
    for sized in changes:
        for part in _parts(sized):
            for line in _head(part):
                _write_line(out, line.encode("utf-8", "surrogateescape"), bold)
            if part.change.content_changed:
                _write_content(out, part, source, colour=colour)


class _Text(Writer):
    """Keeps all of it in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def put(self, data: bytes) -> None:
        self.content += data


def diff_text(changes: Iterable[SizedChange], source: TextSource) -> str:
    """The same as text, for JSON; bytes that are no UTF-8 as lone surrogates (PEP 383)."""
    text = _Text()
    write_diff(text, changes, source, colour=False)
    return text.content.decode("utf-8", "surrogateescape")


def _parts(sized: SizedChange) -> Iterator[SizedChange]:
    """The change; as Git does it, a removal and an addition where the type changed."""
    change = sized.change
    if change.kind.value != "T":
        yield sized
        return
    yield sized._replace(change=replace(change, new=None), new_size=0, new_links=())
    yield sized._replace(change=replace(change, old=None), old_size=0, old_links=())


def _head(sized: SizedChange) -> Iterator[str]:
    """Everything but content."""
    change = sized.change
    yield f"diff --git {quote_path(b'a/' + change.path)} {quote_path(b'b/' + change.path)}"
    if change.new is None:
        if change.old is not None:
            yield f"deleted {_word(change.old)} mode {full_mode(change.old)}"
    elif change.old is None:
        yield f"new {_word(change.new)} mode {full_mode(change.new)}"
        facts = _facts(change.new, sized.new_links)
        yield from _differences({}, dict(fact for fact in facts.items() if fact != _ORDINARY))
    else:
        old, new = _facts(change.old, sized.old_links), _facts(change.new, sized.new_links)
        yield from _differences(
            {"mode": full_mode(change.old), **old}, {"mode": full_mode(change.new), **new}
        )
        if not change.content_changed and old == new:
            yield from _differences(_mtime(change.old), _mtime(change.new))


def _word(entry: Entry) -> str:
    """Git calls a file whatever it keeps as one."""
    return "file" if entry.kind.value == "symlink" else entry.kind.value


def _facts(entry: Entry, links: tuple[bytes, ...]) -> dict[str, str]:
    """What Git does not keep of an entry, its mtime aside: it follows every other change."""
    metadata = entry.metadata
    facts = {"owner": f"{metadata.uid}:{metadata.gid}"}
    if entry.rdev is not None:
        facts["device"] = f"{entry.rdev[0]}:{entry.rdev[1]}"
    if links:
        facts["hard links"] = " ".join(quote_path(b"/" + path) for path in links)
    for name, value in metadata.xattrs:
        facts[f"xattr {quote_path(name)}"] = _xattr_value(value)
    return facts


def _xattr_value(value: bytes) -> str:
    """Text in quotes, anything else in hexadecimal, as `getfattr` shows it."""
    text = value.decode("utf-8", "surrogateescape")
    return f'"{text}"' if text.isprintable() and '"' not in text else f"0x{value.hex()}"


def _mtime(entry: Entry) -> dict[str, str]:
    return {"mtime": nanosecond_date(entry.metadata.mtime)}


def _differences(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            if key in old:
                yield f"old {key} {old[key]}"
            if key in new:
                yield f"new {key} {new[key]}"


def _write_content(out: Writer, sized: SizedChange, source: TextSource, *, colour: bool) -> None:
    change = sized.change
    old, new = _side(change.old, sized.old_size), _side(change.new, sized.new_size)
    if not old and not new:  # directories and devices
        return
    hunks = source.hunks(sized)
    if hunks is None:
        out.line(f"Binary: {' -> '.join(filter(None, (old, new)))}")
        return
    out.line(f"index {_short(change.old)}..{_short(change.new)}")
    if hunks:
        bold = _BOLD if colour else b""
        _write_line(out, b"--- " + (_file_name(b"a/", change.path) if old else b"/dev/null"), bold)
        _write_line(out, b"+++ " + (_file_name(b"b/", change.path) if new else b"/dev/null"), bold)
        _write_hunks(out, hunks, colour=colour)


def _file_name(side: bytes, path: bytes) -> bytes:
    """As Git: a tab after a name with a blank, which patch(1) would cut there."""
    tab = "\t" if b" " in path else ""
    return f"{quote_path(side + path)}{tab}".encode()


def _write_hunks(out: Writer, hunks: bytes, *, colour: bool) -> None:
    if not colour:
        out.write(hunks)
        return
    for line in hunks.splitlines():
        _write_line(out, line, _COLOURS.get(line[:1], b""))


def _write_line(out: Writer, line: bytes, colour: bytes) -> None:
    out.line(colour + line + _RESET if colour else line)


def _side(entry: Entry | None, length: int) -> str:
    """A content's size and id; empty where there is none."""
    if entry is None or entry.oid is None or entry.is_directory:
        return ""
    return f"{size(length)} {_short(entry)}"


def _short(entry: Entry | None) -> str:
    return _NO_ID if entry is None or entry.oid is None else entry.oid.hex()[:12]
