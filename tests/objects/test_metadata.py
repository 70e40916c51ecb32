from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.acl import ACCESS, DEFAULT
from lxgit.objects.metadata import (
    MAX_ID,
    Described,
    InvalidMetadata,
    Kind,
    Metadata,
    decode_line,
    default_mode,
    encode_line,
    format_mtime,
    parse_mtime,
)
from lxgit.objects.xattrs import CAPABILITY
from tests.support.builder import acl

xattrs = st.dictionaries(
    st.binary(min_size=1, max_size=40)
    .filter(lambda raw: b"\0" not in raw)
    .map(lambda n: b"trusted." + n),
    st.binary(max_size=60),
    max_size=4,
).map(lambda found: tuple(sorted(found.items())))
metadata = st.builds(
    Metadata,
    st.integers(0, 0o7777),
    st.integers(0, MAX_ID),
    st.integers(0, MAX_ID),
    st.integers(-(2**62), 2**65),
    xattrs,
)
PLAIN_ACL = acl([("user", None, 0), ("group", None, 0), ("other", None, 0)])
"""What the kernel takes for an ACL."""
stored_names = st.binary(min_size=1, max_size=300).filter(lambda raw: not {0, 0x2F} & set(raw))


@given(stored_names, metadata, st.sampled_from(list(Kind)))
def test_every_line_comes_back(name: bytes, given_metadata: Metadata, kind: Kind) -> None:
    mode = 0o777 if kind is Kind.SYMLINK else given_metadata.mode
    told = Metadata(
        mode, given_metadata.uid, given_metadata.gid, given_metadata.mtime, given_metadata.xattrs
    )
    rdev = (4, 64) if kind in (Kind.CHARACTER, Kind.BLOCK) else None
    line = encode_line(name, kind, told, rdev)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    stored, described = decode_line(line[:-1])
    assert stored == name
    executable = kind is Kind.FILE and bool(mode & 0o100)
    assert described.metadata(kind, executable=executable) == told
    assert described.special == (None if kind.in_tree else (kind, rdev))


@given(st.binary(max_size=120))
def test_a_line_that_is_read_is_the_only_spelling(line: bytes) -> None:
    try:
        name, described = decode_line(line)
        kind = described.special[0] if described.special else Kind.FILE
        told = described.metadata(kind)
    except InvalidMetadata:
        return
    rdev = described.special[1] if described.special else None
    mode = default_mode(kind) if described.mode is None else described.mode
    if (told.mode, told.xattrs) == (mode, described.xattrs):
        assert encode_line(name, kind, told, rdev) == line + b"\n"


@given(st.integers(-(2**70), 2**70))
def test_mtimes(mtime: int) -> None:
    assert parse_mtime(format_mtime(mtime)) == mtime


def test_the_usual_line_is_short() -> None:
    plain = Metadata(0o644, 0, 0, 1_700_000_000_000_000_000)
    assert encode_line(b"hosts", Kind.FILE, plain) == b"1700000000 - hosts\n"


def test_an_unusual_line() -> None:
    told = Metadata(0o4755, 1, 4294967294, -5_000_000_001, ((b"user.a=b", b"\0\n"),))
    line = encode_line(b"a b\nc", Kind.FILE, told)
    assert line == rb"-5.000000001 m=4755,u=1,g=4294967294,x:user.a%3Db=%00%0A a b\nc" + b"\n"
    assert encode_line(b"d", Kind.BLOCK, Metadata(0o660, 0, 6, 0), (8, 1)) == (
        b"0 t=b:8:1,m=660,g=6 d\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"0 -",
        b"0  x",
        b"00 - x",
        b"-0 - x",
        b"1.10 - x",
        b"1. - x",
        b"1e5 - x",
        b"99999999999999999999 - x",
        b"0 m=0644 x",
        b"0 m=10000 x",
        b"0 m=8 x",
        b"0 u=0 x",
        b"0 u=01 x",
        b"0 u=4294967295 x",
        b"0 g=5,u=5 x",
        b"0 m=600,m=601 x",
        b"0 t=s x",
        b"0 t=c x",
        b"0 t=c:1 x",
        b"0 t=c:4096:0 x",
        b"0 t=b:0:1048576 x",
        b"0 t=p:0:0 x",
        b"0 x:user.b=1,x:user.a=1 x",
        b"0 x:user.a=1,x:user.a=1 x",
        b"0 x:user.a=%41 x",
        b"0 x:user.a=%0a x",
        b"0 x:user.a=\xff x",
        b"0 x:a=1 x",
        b"0 x:user.a%00=1 x",
        b"0 x:user." + b"a" * 251 + b"=1 x",
        rb"0 - a\x",
        rb"0 - a\t",
        b"0 - a\\",
    ],
)
def test_other_spellings_are_refused(line: bytes) -> None:
    with pytest.raises(InvalidMetadata):
        decode_line(line)


@pytest.mark.parametrize(
    ("line", "kind", "executable"),
    [
        (b"0 m=644 x", Kind.FILE, False),
        (b"0 m=755 x", Kind.FILE, True),
        (b"0 m=700 x", Kind.FILE, False),
        (b"0 m=600 x", Kind.FILE, True),
        (b"0 m=755 x", Kind.DIRECTORY, False),
        (b"0 m=755 x", Kind.SYMLINK, False),
    ],
)
def test_a_line_that_disagrees_with_its_entry(line: bytes, kind: Kind, executable: bool) -> None:
    _, described = decode_line(line)
    with pytest.raises(InvalidMetadata):
        described.metadata(kind, executable=executable)


OTHER = (b"user.b", b"2")
RIGHTS = bytes((0, 4, 0, 0, 0, 0, 0, 0))
MORE = bytes(8)
REVISION_2 = b"\1\0\0\2" + RIGHTS + MORE
REVISION_3 = b"\1\0\0\3" + RIGHTS + MORE + b"\1\0\0\0"


@pytest.mark.parametrize(
    ("name", "value", "kind", "kept"),
    [
        (b"com.apple.provenance", b"1", Kind.FILE, None),
        (b"user.", b"1", Kind.FILE, None),
        (b"user.a", b"1" * 65_537, Kind.FILE, None),
        (b"bogus.a", b"1", Kind.FILE, None),
        (b"system.nfs4_acl", b"1", Kind.DIRECTORY, None),
        (b"user.a", b"1", Kind.SYMLINK, None),
        (b"user.a", b"1", Kind.FIFO, None),
        (ACCESS, b"\2\0\0\0", Kind.FILE, None),
        (ACCESS, PLAIN_ACL, Kind.SYMLINK, None),
        (DEFAULT, PLAIN_ACL, Kind.FILE, None),
        (CAPABILITY, b"", Kind.FILE, None),
        (CAPABILITY, b"zz", Kind.FILE, None),
        (CAPABILITY, b"\1\0\0\1" + RIGHTS[:4], Kind.FILE, None),
        (CAPABILITY, b"\1\0\0\3" + RIGHTS + MORE + b"\xff" * 4, Kind.FILE, None),
        (CAPABILITY, b"\1\0\0\1" + RIGHTS, Kind.FILE, REVISION_2),
        (CAPABILITY, b"\1\0\0\3" + RIGHTS + MORE + bytes(4), Kind.FILE, REVISION_2),
        (CAPABILITY, b"\3\1\1\3" + REVISION_3[4:], Kind.FILE, REVISION_3),
        (CAPABILITY, b"\3\1\1\2" + REVISION_2[4:], Kind.FILE, REVISION_2),
        (CAPABILITY, b"\1\1\0\1" + RIGHTS, Kind.FILE, REVISION_2),
    ],
)
def test_what_is_recorded_and_not_for_linux(
    name: bytes, value: bytes, kind: Kind, kept: bytes | None
) -> None:
    """A version that was less strict wrote it: it is read as Linux would have it, or not."""
    trusted = (b"trusted.z", b"z")
    others = (OTHER, trusted) if kind in (Kind.FILE, Kind.DIRECTORY) else (trusted,)
    xattrs = tuple(sorted(((name, value), *others)))
    mode = 0o777 if kind is Kind.SYMLINK else 0o600
    with pytest.raises(InvalidMetadata):
        encode_line(b"x", kind, Metadata(mode, 0, 0, 0, xattrs))
    stated = None if kind is Kind.SYMLINK else mode
    found = Described(0, stated, 0, 0, xattrs, None).metadata(kind)
    assert found.xattrs == tuple(sorted((*([(name, kept)] if kept else []), *others)))
    line = encode_line(b"x", kind, found)
    assert decode_line(line[:-1])[1].metadata(kind) == found


def test_more_names_than_there_is_room_for() -> None:
    xattrs = tuple((b"user.%0200d" % number, b"") for number in range(400))
    with pytest.raises(InvalidMetadata):
        encode_line(b"x", Kind.FILE, Metadata(0o600, 0, 0, 0, xattrs))
    found = Described(0, 0o600, 0, 0, xattrs, None).metadata(Kind.FILE)
    assert found.xattrs == xattrs[: 65_536 // 206]


NOBODY = 2**32 - 1


def listed(group: int, mask: int, own: int = NOBODY) -> bytes:
    rows = [("user", own, 6), ("USER", 5, 7), ("group", own, group), ("mask", own, mask)]
    return acl([*rows, ("other", own, 4)])


@pytest.mark.parametrize(
    ("name", "value", "mode", "kept"),
    [
        (ACCESS, acl([("user", None, 6), ("group", None, 7), ("other", None, 4)]), 0o674, None),
        (ACCESS, listed(4, 7), 0o674, listed(4, 7)),
        (ACCESS, listed(4, 0, own=8), 0o604, listed(4, 0)),
        (DEFAULT, listed(4, 7, own=8), 0o755, listed(4, 7)),
    ],
)
def test_an_acl_is_read_as_linux_has_it(
    name: bytes, value: bytes, mode: int, kept: bytes | None
) -> None:
    """Whatever else stands there: it decides about the mode, and who lists a directory sees it."""
    recorded = Metadata(0o755, 0, 0, 0, ((name, value), OTHER))
    with pytest.raises(InvalidMetadata, match="ACL"):
        encode_line(b".", Kind.DIRECTORY, recorded)
    found = Described(0, None, 0, 0, recorded.xattrs, None).metadata(Kind.DIRECTORY)
    assert (found.mode, found.xattrs) == (mode, (*([(name, kept)] if kept else []), OTHER))
    line = encode_line(b".", Kind.DIRECTORY, found)
    assert decode_line(line[:-1])[1].metadata(Kind.DIRECTORY) == found


@pytest.mark.parametrize("who", [(5, 7), (7, 5), (5, 5)])
def test_users_in_any_order(who: tuple[int, int]) -> None:
    """The kernel keeps it, and so do we: also one that is there twice."""
    rows = [("user", None, 6), *(("USER", number, 4) for number in who)]
    value = acl([*rows, ("group", None, 4), ("mask", None, 4), ("other", None, 0)])
    told = Metadata(0o640, 0, 0, 0, ((ACCESS, value),))
    line = encode_line(b"x", Kind.FILE, told)
    assert decode_line(line[:-1])[1].metadata(Kind.FILE) == told
