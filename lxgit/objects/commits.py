"""Commits and annotated tags as Git stores them.

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

from lxgit.errors import LxgitError
from lxgit.lean import cache
from lxgit.objects.ids import InvalidObjectID, ObjectID, ObjectType, from_hex, hex_id
from lxgit.tuples import NamedTuple

# What Git takes off both ends of a name, ident.c: these, and all up to the space.
_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
_COMMIT_HEADERS = {b"tree", b"parent", b"author", b"committer", b"encoding"}

Extra = tuple[tuple[str, bytes], ...]


class InvalidCommit(LxgitError):
    """A commit or a tag that Git cannot hold, or that is not laid out as one."""


class Signature(NamedTuple):
    """Who, and when: `time` in seconds since 1970, `offset` of the local time in minutes."""

    name: str
    email: str
    time: int
    offset: int = 0


ITSELF = Signature("lxgit", "", 0)
"""Where no person is known, or asked for; at no time, so that the same comes of it each time."""


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
    return Signature(
        _decode(name.strip(), encoding),
        _decode(email.strip(), encoding),
        int(seconds) if seconds.isdigit() and len(seconds) < 20 else 0,
        _minutes(offset),
    )


def _minutes(offset: bytes) -> int:
    """What `±hhmm` stands for; 0 for anything else."""
    digits = offset[1:]
    if offset[:1] not in (b"+", b"-") or len(digits) != 4 or not digits.isdigit():
        return 0
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if offset[:1] == b"-" else minutes


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
    if encoding is None and data.isascii():
        return data.decode("ascii")
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


@cache
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
