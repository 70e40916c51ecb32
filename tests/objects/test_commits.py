from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lxgit.objects.commits import (
    Commit,
    InvalidCommit,
    Signature,
    Tag,
    decode_commit,
    decode_signature,
    decode_tag,
    encode_commit,
    encode_signature,
    encode_tag,
)
from lxgit.objects.ids import ObjectID, ObjectType, from_hex

if TYPE_CHECKING:
    from lxgit.objects.database import ObjectDatabase
    from tests.support.stockgit import StockGit

EMPTY_TREE = from_hex("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
SOMEBODY = Signature("Some Body", "some@example.com", 1_700_000_000, 60)

ids = st.binary(min_size=20, max_size=20).map(ObjectID)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0\n<>"), max_size=20)
signatures = st.builds(
    Signature,
    names.map(lambda name: f"N{name}N"),
    names.map(lambda name: f"m{name}m"),
    st.integers(0, (1 << 63) - 1),
    st.integers(-5999, 5999),
)
messages = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
extras = st.lists(
    st.tuples(st.sampled_from(["gpgsig", "mergetag", "HG:extra"]), st.binary(max_size=50)).filter(
        lambda pair: b"\0" not in pair[1]
    ),
    max_size=3,
).map(tuple)
commits = st.builds(
    Commit, ids, st.lists(ids, max_size=3).map(tuple), signatures, signatures, messages,
    st.none(), extras,
)  # fmt: skip


@given(commit=commits)
def test_a_commit_comes_back_as_it_was(commit: Commit) -> None:
    assert decode_commit(encode_commit(commit)) == commit


@given(message=messages, name=names, email=names, time=st.integers(0, 1 << 40))
@example("", "", "", 0)
@example("\n\n", "<>", "\\\"'", 0)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_git_takes_every_commit_that_is_written(
    objects: ObjectDatabase, stock: StockGit, message: str, name: str, email: str, time: int
) -> None:
    who = Signature(name, email, time)
    with objects.writer() as writer:
        writer.add(ObjectType.TREE, b"")
        oid = writer.add(
            ObjectType.COMMIT, encode_commit(Commit(EMPTY_TREE, (), who, who, message))
        )
        tag = Tag(oid, ObjectType.COMMIT, "v1", who, message)
        tagged = writer.add(ObjectType.TAG, encode_tag(tag))
        writer.finish().release()
    stock("update-ref", "refs/heads/main", oid.hex())
    stock("update-ref", "refs/tags/v1", tagged.hex())
    assert stock.fsck() == b""
    assert stock("log", "-1", "--format=%at", oid.hex()) == b"%d\n" % time


def test_what_git_writes_is_read(objects: ObjectDatabase, stock: StockGit) -> None:
    first = stock.commit("first\n")
    oid = stock.commit("subject\n\nbody\n", first, time=5)
    assert decode_commit(objects.commit(from_hex(oid))) == Commit(
        EMPTY_TREE,
        (from_hex(first),),
        Signature("A. U. Thor", "author@example.com", 1_700_000_005, 0),
        Signature("C. O. Mitter", "committer@example.com", 1_700_000_005, 0),
        "subject\n\nbody\n",
    )
    stock("tag", "-a", "-m", "about it", "v1", oid)
    kind, data = objects.read(from_hex(stock.word("rev-parse", "v1")))
    assert kind is ObjectType.TAG
    tagger = Signature("C. O. Mitter", "committer@example.com", 1_700_000_000, 60)
    assert decode_tag(data) == Tag(from_hex(oid), ObjectType.COMMIT, "v1", tagger, "about it\n")
    assert encode_tag(decode_tag(data)) == data


RAW = (
    b"tree %b\nparent %b\nauthor %%b\ncommitter %b\n"
    % (EMPTY_TREE.hex().encode(), b"12" * 20, encode_signature(SOMEBODY))
)  # fmt: skip


@pytest.mark.parametrize(
    ("author", "rest", "name", "message"),
    [
        (b"J\xfcrgen <j@x> 1 +0000", b"\nGr\xfc\xdfe\n", "J\udcfcrgen", "Gr\udcfc\udcdfe\n"),
        (b"J\xfcrgen <j@x> 1 +0000", b"encoding ISO-8859-1\n\nGr\xfc\xdfe\n", "Jürgen", "Grüße\n"),
        (b"\x83e <j@x> 1 +0000", b"encoding Shift_JIS\n\n\x93\xfa\x96{\n", "テ", "日本\n"),
        (b"A <j@x> 1 +0000", b"encoding no-such\n\n\xe9\n", "A", "\udce9\n"),
        (b"A <j@x> 1 +0000", b"encoding hex\n\n\xe9\n", "A", "\udce9\n"),
        (b"A <j@x> 1 +0000", b"encoding utf-16\n\n\xe9\n", "A", "\udce9\n"),
    ],
)
def test_text_that_is_not_utf8_comes_back_byte_for_byte(
    author: bytes, rest: bytes, name: str, message: str
) -> None:
    raw = RAW % author + rest
    commit = decode_commit(raw)
    assert (commit.author.name, commit.message) == (name, message)
    assert encode_commit(commit) == raw


@given(
    text=st.one_of(
        st.binary(max_size=12),
        st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    ),
    encoding=st.sampled_from(
        [
            "latin-1",
            "ascii",
            "shift_jis",
            "iso-2022-jp",
            "utf-16",
            "utf-7",
            "utf-8-sig",
            "big5",
            "idna",
            "punycode",
            "rot13",
            "cp037",
            "unicode_escape",
            "mbcs",
            "no such",
            "cp1252",
        ]
    ),
)
def test_no_text_changes_whatever_its_encoding_is_said_to_be(text: bytes, encoding: str) -> None:
    raw = RAW % b"A <a@x> 1 +0000" + b"encoding %b\n\n%b" % (
        encoding.encode(),
        text.replace(b"\0", b""),
    )
    assert encode_commit(decode_commit(raw)) == raw


def test_signatures_and_unknown_headers_are_kept() -> None:
    headers = (
        b"encoding UTF-8\nmergetag object 1234\n type commit\n \n a tag\ngpgsig -----BEGIN\n \n"
        b" abc\n -----END\nunknown\n"
    )
    raw = RAW % b"A <a@x> 1 +0000" + headers + b"\nmessage\n"
    commit = decode_commit(raw)
    assert commit.extra == (
        ("mergetag", b"object 1234\ntype commit\n\na tag"),
        ("gpgsig", b"-----BEGIN\n\nabc\n-----END"),
        ("unknown", b""),
    )
    assert encode_commit(commit).replace(b"unknown \n", b"unknown\n") == raw


@pytest.mark.parametrize(
    "raw",
    [b"", b"tree 1234\n\n", b"rubbish", RAW % b"A <a> 1 +0" + b"tree x", b"tree " + b"0" * 40],
)
def test_what_is_no_commit(raw: bytes) -> None:
    if raw.startswith(b"tree %b" % EMPTY_TREE.hex().encode()):
        assert decode_commit(raw).message == ""
        return
    with pytest.raises(InvalidCommit):
        decode_commit(raw)
    with pytest.raises(InvalidCommit):
        decode_tag(raw)


def test_a_nul_is_refused() -> None:
    with pytest.raises(InvalidCommit, match="NUL"):
        encode_commit(Commit(EMPTY_TREE, (), SOMEBODY, SOMEBODY, "a\0b"))


class TestSignatures:
    @pytest.mark.parametrize(
        ("signature", "line"),
        [
            (Signature("A", "a@x", 0, 0), b"A <a@x> 0 +0000"),
            (Signature("A", "a@x", 5, -210), b"A <a@x> 5 -0330"),
            (Signature("A", "a@x", 5, 845), b"A <a@x> 5 +1405"),
            (Signature(" .A <B>\n", "<a@x>\n", 5), b"A B <a@x> 5 +0000"),
            (Signature("", "a@x", 5), b"a@x <a@x> 5 +0000"),
            (Signature("", "", 5), b"unknown <> 5 +0000"),
            (Signature("Zoë", "z", 5), "Zoë <z> 5 +0000".encode()),
        ],
    )
    def test_they_are_written_as_git_does(self, signature: Signature, line: bytes) -> None:
        assert encode_signature(signature) == line

    @pytest.mark.parametrize("time", [-1, 1 << 63])
    def test_times_that_git_cannot_hold(self, time: int) -> None:
        with pytest.raises(InvalidCommit, match="time"):
            encode_signature(Signature("A", "a", time))

    @pytest.mark.parametrize(
        ("line", "signature"),
        [
            (b"A <a@x> 5 +0130", Signature("A", "a@x", 5, 90)),
            (b"A <a@x> 5 -0130", Signature("A", "a@x", 5, -90)),
            (b"A <a@x>", Signature("A", "a@x", 0, 0)),
            (b"A", Signature("A", "", 0, 0)),
            (b"A <a@x> never +12", Signature("A", "a@x", 0, 0)),
            (b"A <a@x>> 5 +0000", Signature("A", "a@x", 5, 0)),
            (b"A <a@x> " + b"9" * 5000 + b" +0000", Signature("A", "a@x", 0, 0)),
            (b"<a@x> 5 +0000", Signature("", "a@x", 5, 0)),
            (b"", Signature("", "", 0, 0)),
        ],
    )
    def test_broken_ones_are_read_as_far_as_they_go(
        self, line: bytes, signature: Signature
    ) -> None:
        assert decode_signature(line) == signature
