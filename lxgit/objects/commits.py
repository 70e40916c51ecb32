"""Commits and annotated tags as Git stores them, and the trailers of their messages.

A commit (git-commit-tree(1), Documentation/technical and `fsck.c` of Git's source):

    tree <id>
    parent <id>                     once for each parent
    author <name> <<email>> <seconds> <±hhmm>
    committer …
    encoding <name>                 unless the text is UTF-8
    <any other header>              gpgsig, mergetag, …; a line that begins with a space goes on
                                    with the one before
    <empty line>
    <message>

Text is decoded as its `encoding` says, UTF-8 without one; bytes that do not fit come through as
lone surrogates (PEP 383) and are written back as they were.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from lxgit.errors import LxgitError
from lxgit.objects.ids import InvalidObjectID, ObjectID, ObjectType, from_hex, hex_id

if TYPE_CHECKING:
    from collections.abc import Iterable

# What Git takes off both ends of a name, ident.c: these, and all up to the space.
_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
_OFFSET = re.compile(rb"([+-])([0-9]{2})([0-9]{2})")
_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)", re.DOTALL)
_COMMIT_HEADERS = {b"tree", b"parent", b"author", b"committer", b"encoding"}
_PICKED = "(cherry picked from commit "

Extra = tuple[tuple[str, bytes], ...]


class InvalidCommit(LxgitError):
    """A commit or a tag that Git cannot hold, or that is not laid out as one."""


class Signature(NamedTuple):
    """Who, and when: `time` in seconds since 1970, `offset` of the local time in minutes."""

    name: str
    email: str
    time: int
    offset: int = 0


class Commit(NamedTuple):
    """One commit; `extra` has the headers that nothing here looks into, such as gpgsig."""

    tree: ObjectID
    parents: tuple[ObjectID, ...]
    author: Signature
    committer: Signature
    message: str
    encoding: str | None = None
    extra: Extra = ()


class Tag(NamedTuple):
    """An annotated tag; of old ones the tagger may be missing."""

    target: ObjectID
    kind: ObjectType
    name: str
    tagger: Signature | None
    message: str


def encode_commit(commit: Commit) -> bytes:
    """The commit as stored; InvalidCommit when its text has a NUL, which Git refuses."""
    encoding = commit.encoding
    lines = [b"tree " + _hex(commit.tree)]
    lines += [b"parent " + _hex(parent) for parent in commit.parents]
    lines.append(b"author " + encode_signature(commit.author, encoding))
    lines.append(b"committer " + encode_signature(commit.committer, encoding))
    if encoding is not None:
        lines.append(b"encoding " + _encode(encoding))
    lines += [_encode(key) + b" " + value.replace(b"\n", b"\n ") for key, value in commit.extra]
    return _with_message(lines, commit.message, encoding)


def decode_commit(data: bytes) -> Commit:
    """What `encode_commit` made; InvalidCommit for what is no commit."""
    headers, message = _split(data)
    fields = dict(reversed(headers))  # the first of each name counts
    encoding = fields.get(b"encoding", b"").decode("ascii", "replace") or None
    try:
        return Commit(
            tree=from_hex(fields[b"tree"]),
            parents=tuple(from_hex(value) for key, value in headers if key == b"parent"),
            author=decode_signature(fields[b"author"], encoding),
            committer=decode_signature(fields[b"committer"], encoding),
            message=_decode(message, encoding),
            encoding=encoding,
            extra=tuple((_decode(k), value) for k, value in headers if k not in _COMMIT_HEADERS),
        )
    except (KeyError, InvalidObjectID):
        raise InvalidCommit("a commit has a header that is broken or missing") from None


def encode_tag(tag: Tag) -> bytes:
    """The tag as stored (git-mktag(1)); InvalidCommit when its text has a NUL."""
    lines = [b"object " + _hex(tag.target), b"type " + tag.kind.word, b"tag " + _encode(tag.name)]
    if tag.tagger is not None:
        lines.append(b"tagger " + encode_signature(tag.tagger))
    return _with_message(lines, tag.message, None)


def decode_tag(data: bytes) -> Tag:
    """What `encode_tag` made; InvalidCommit for what is no tag."""
    headers, message = _split(data)
    fields = dict(reversed(headers))
    tagger = fields.get(b"tagger")
    try:
        return Tag(
            target=from_hex(fields[b"object"]),
            kind=ObjectType.from_word(fields[b"type"]),
            name=_decode(fields[b"tag"]),
            tagger=None if tagger is None else decode_signature(tagger),
            message=_decode(message),
        )
    except (KeyError, InvalidObjectID):
        raise InvalidCommit("a tag has a header that is broken or missing") from None


def encode_signature(signature: Signature, encoding: str | None = None) -> bytes:
    """`name <email> seconds ±hhmm`, with what would break that taken out, as Git does."""
    if not 0 <= signature.time < 1 << 63 or abs(signature.offset) >= 100 * 60:
        raise InvalidCommit(
            f"Git cannot hold the time {signature.time}", hint="it begins at 1970-01-01"
        )
    hours, minutes = divmod(abs(signature.offset), 60)
    sign = "-" if signature.offset < 0 else "+"
    name = _clean(signature.name) or _clean(signature.email) or "unknown"
    who = f"{name} <{_clean(signature.email)}>"
    return _encode(f"{who} {signature.time} {sign}{hours:02}{minutes:02}", encoding)


def decode_signature(line: bytes, encoding: str | None = None) -> Signature:
    """The reverse; what is missing or broken comes out empty, or as 0."""
    name, _, rest = line.partition(b"<")
    email, _, tail = rest.partition(b">")
    seconds, _, offset = tail.rpartition(b">")[2].strip().partition(b" ")
    match = _OFFSET.fullmatch(offset)
    return Signature(
        name=_decode(name.strip(), encoding),
        email=_decode(email.strip(), encoding),
        time=int(seconds) if seconds.isdigit() and len(seconds) < 20 else 0,
        offset=_minutes(match) if match else 0,
    )


def _minutes(match: re.Match[bytes]) -> int:
    sign = -1 if match[1] == b"-" else 1
    return sign * (int(match[2]) * 60 + int(match[3]))


def clean_message(text: str, *, comment: str | None = None) -> str:
    """A message as Git stores one (git-stripspace(1)).

    No space at the ends of lines, one empty line where there are several, none at either end, and
    a newline last. Lines that begin with `comment` go.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if comment is not None and line.startswith(comment):
            continue
        stripped = line.rstrip(" \t\r\v\f")
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    cleaned = "\n".join(lines).rstrip("\n")
    return f"{cleaned}\n" if cleaned else ""


def trailers(message: str) -> list[tuple[str, str]]:
    """The (key, value) pairs of the message's last paragraph (git-interpret-trailers(1)).

    None unless all of that paragraph is trailers, and it is not the first: that is the title.
    """
    block = _trailer_block(message)
    pairs = (_TRAILER.fullmatch(line) for line in block)
    return [(match[1], match[2].replace("\n ", "\n").strip()) for match in pairs if match]


def add_trailers(message: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The message with these trailers behind those that it has.

    Lines of a value after its first are indented by a space; empty ones are left out, as they would
    end the paragraph.
    """
    lines = [f"{key}: {_fold(value)}\n" for key, value in pairs]
    if not lines:
        return message
    body = message.rstrip("\n") + "\n"
    gap = "" if _trailer_block(message) or body == "\n" else "\n"
    return body + gap + "".join(lines)


def _fold(value: str) -> str:
    return "\n ".join(line.rstrip() for line in value.splitlines() if line.strip())


def _trailer_block(message: str) -> list[str]:
    """The trailers of the last paragraph, each with the lines that go on with it."""
    title, gap, last = message.rstrip("\n").rpartition("\n\n")
    if not gap and title == "" and last.startswith("\n"):
        last = last.lstrip("\n")  # nothing but trailers, behind an empty title
    elif not gap:
        return []
    block: list[str] = []
    for line in last.split("\n"):
        if block and line.startswith((" ", "\t")):
            block[-1] += "\n" + line
        elif _TRAILER.fullmatch(line) or line.startswith(_PICKED):
            block.append(line)
        else:
            return []
    return block


def _split(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers in their order, each with its continuation lines, and the message."""
    head, _, message = data.partition(b"\n\n")
    headers: list[tuple[bytes, bytes]] = []
    for line in head.rstrip(b"\n").split(b"\n"):
        if line.startswith(b" ") and headers:
            key, value = headers[-1]
            headers[-1] = key, value + b"\n" + line[1:]
        else:
            key, _, value = line.partition(b" ")
            headers.append((key, value))
    return headers, message


def _with_message(lines: list[bytes], message: str, encoding: str | None) -> bytes:
    data = b"\n".join(lines) + b"\n\n" + _encode(message, encoding)
    if b"\0" in data:
        raise InvalidCommit("a message cannot hold a NUL byte")
    return data


def _hex(oid: ObjectID) -> bytes:
    return hex_id(oid).encode()


def _clean(text: str) -> str:
    """A name or address without what would end it early, and without the crud around it."""
    return text.strip(_CRUD).translate({ord(character): None for character in "\n<>\0"})


def _decode(data: bytes, encoding: str | None = None) -> str:
    """Text that `_encode` makes the same bytes of; readable if it can be."""
    tries = [("utf-8", "surrogateescape"), ("ascii", "surrogateescape")]
    if encoding is not None and _is_codec(encoding):
        tries.insert(0, (encoding, "strict"))
    for codec, errors in tries:
        try:
            text = data.decode(codec, errors)
        except ValueError:
            continue
        if _encode(text, encoding) == data:
            break
    return text


def _encode(text: str, encoding: str | None = None) -> bytes:
    if encoding is not None and _is_codec(encoding):
        try:
            return text.encode(encoding)
        except ValueError:
            pass
    return text.encode("utf-8", "surrogateescape")


@functools.lru_cache(maxsize=16)
def _is_codec(encoding: str) -> bool:
    """Whether it is one that Python knows, and in which ASCII is ASCII: UTF-16 would break Git."""
    try:
        return all(
            bytes((byte,)).decode(encoding) == chr(byte)
            and chr(byte).encode(encoding) == bytes((byte,))
            for byte in range(1, 128)
        )
    except (LookupError, ValueError):
        return False
