"""What a user types; where Git knows it, Git is the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.commits import Signature
from lxgit.objects.database import MissingObject
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.refs import ANY
from lxgit.objects.revisions import (
    AmbiguousRevision,
    IsRange,
    NotACommit,
    Revisions,
    UnknownRevision,
    nearest_names,
)
from lxgit.objects.revisionsyntax import RevisionPath, split_path
from tests.support.packcraft import blob, write_pack

if TYPE_CHECKING:
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.git import Git
    from lxgit.objects.refs import RefStore
    from tests.support.stockgit import StockGit

WHO = Signature("A", "a@x", 1_700_000_000)


@pytest.fixture
def revisions(objects: ObjectDatabase, refs: RefStore, git: Git) -> Revisions:
    return Revisions(lambda: objects, refs, git)


@pytest.fixture
def made(refs: RefStore, stock: StockGit) -> dict[int, str]:
    """A small history: base at 5, tuned at 3; tags base/v1 (light) and base/v2 (annotated)."""
    ids = stock.graph([[1], [2, 1], [3, 2], [4, 2], [5, 4, 3]])
    for name, number in (("heads/base", 2), ("heads/base", 5), ("heads/tuned", 3)):
        refs.update(f"refs/{name}", from_hex(ids[number]), old=ANY, message=f"to {number}", who=WHO)
    refs.set_head("refs/heads/base", message="checkout", who=WHO)
    stock("tag", "base/v1", ids[1])
    stock("tag", "-a", "-m", "annotated", "base/v2", ids[2])
    stock("tag", "-a", "-m", "of a tag", "twice", "base/v2")
    return ids


class TestSplitting:
    @pytest.mark.parametrize(
        ("text", "revision", "path"),
        [
            ("base", "base", None),
            ("base:/etc/hosts", "base", b"/etc/hosts"),
            ("base:v1:/etc/hosts", "base:v1", b"/etc/hosts"),
            ("base:/", "base", b"/"),
            ("base:/a:/b", "base", b"/a:/b"),
            ("base:etc", "base:etc", None),
            (":/nginx", ":/nginx", None),
            (":/a:/b", ":/a:/b", None),
            ("HEAD^{/a:/b}", "HEAD^{/a:/b}", None),
            ("HEAD^{/a:/b}:/c", "HEAD^{/a:/b}", b"/c"),
            ("base@{10:00}:/c", "base@{10:00}", b"/c"),
            ("base:/caf\udce9\n", "base", b"/caf\xe9\n"),
            ("", "", None),
        ],
    )
    def test_the_first_colon_and_slash(self, text: str, revision: str, path: bytes | None) -> None:
        assert split_path(text) == RevisionPath(revision, path)

    @given(st.text(st.sampled_from(":/a{}^@~."), max_size=12))
    def test_nothing_is_lost(self, text: str) -> None:
        parts = split_path(text)
        assert parts.revision + (f":{parts.path.decode()}" if parts.path else "") == text


class TestResolving:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("HEAD", 5),
            ("@", 5),
            ("base", 5),
            ("heads/base", 5),
            ("refs/heads/base", 5),
            ("tuned", 3),
            ("base:latest", 5),
            ("base:v1", 1),
            ("base/v1", 1),
            ("tags/base/v1", 1),
            ("base:v2", 2),
            ("twice", 2),
            ("base~1", 4),
            ("base^2", 3),
            ("base^2~1", 2),
            ("@~2", 2),
            ("base:latest~1", 4),
            ("base:v2^", 1),
            ("base:v2^{commit}", 2),
            ("base@{1}", 2),
            ("HEAD@{0}", 5),
            (":/commit 4", 4),
            ("HEAD^{/commit 3}", 3),
        ],
    )
    def test_every_way_to_write_it(
        self, revisions: Revisions, made: dict[int, str], text: str, number: int
    ) -> None:
        assert hex_id(revisions.resolve(text)) == made[number]

    def test_ids_and_their_beginnings(self, revisions: Revisions, made: dict[int, str]) -> None:
        for oid in made.values():
            for length in (8, 12, 40):
                assert hex_id(revisions.resolve(oid[:length].upper())) == oid
            assert hex_id(revisions.resolve(f"{oid[:12]}^0")) == oid

    def test_the_id_of_a_tag_is_its_commit(
        self, revisions: Revisions, stock: StockGit, made: dict[int, str]
    ) -> None:
        tag = stock.word("rev-parse", "twice")
        assert hex_id(revisions.resolve(tag)) == made[2]
        assert [hex_id(oid) for oid in revisions.find_prefix(tag[:12])] == [made[2]]

    def test_without_an_object(self, objects: ObjectDatabase, refs: RefStore, git: Git) -> None:
        with pytest.raises(UnknownRevision):
            Revisions(lambda: objects, refs, git).resolve("base")

    def test_refs_alone(self, revisions: Revisions, made: dict[int, str]) -> None:
        assert revisions.find_ref(made[1]) is None
        assert revisions.find_ref("base~1") is None
        assert revisions.find_ref("base:v1") == from_hex(made[1])
        assert revisions.ref_name("base:v1") == "refs/tags/base/v1"
        assert revisions.ref_name("base:latest") == "refs/heads/base"
        assert revisions.ref_name("@") == "HEAD"

    def test_remote_branches_come_last(
        self, revisions: Revisions, stock: StockGit, made: dict[int, str]
    ) -> None:
        stock("update-ref", "refs/remotes/origin/main", made[1])
        stock("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
        assert hex_id(revisions.resolve("origin/main")) == made[1]
        assert hex_id(revisions.resolve("origin")) == made[1]


@pytest.mark.usefixtures("made")
class TestWhatIsUnknown:
    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("bose", "did you mean 'base'?"),
            ("base:v3", "'base:v2' or 'base:v1'"),
            ("base:etc", "'base:/etc'"),
            ("tunedd~3", "'tuned'"),
            ("no-such-thing", "'lxgit branch'"),
        ],
    )
    def test_the_nearest_are_offered(self, revisions: Revisions, text: str, hint: str) -> None:
        with pytest.raises(UnknownRevision) as caught:
            revisions.resolve(text)
        assert caught.value.message == f"there is no '{text}'"
        assert hint in str(caught.value.hint)

    def test_more_names_may_be_offered(self, revisions: Revisions) -> None:
        error = revisions.unknown("angry_hoper", ["angry_hopper"])
        assert error.nearest == ("angry_hopper",)

    @pytest.mark.parametrize(
        "text",
        ["", "-n", "--all", "--output=/x", "a\0b", "\ud800", "..", ":", ":1:x", "^", "~",
         "é", "x\ny",
         "@{", "@{99}", "HEAD~99", "HEAD^{tree", "f" * 40, "a" * 10_000, ".git", "config",
         "../HEAD", "refs/heads", "HEAD:rootfs", "HEAD@{nonsense is this}x"],
    )  # fmt: skip
    def test_odd_ones(self, revisions: Revisions, text: str) -> None:
        with pytest.raises(UnknownRevision):
            revisions.resolve(text)

    @pytest.mark.parametrize(
        "text", ["^base", "base..tuned", "..tuned", "base...", "base^!", "base^@", "base^-", "^@"]
    )
    def test_a_range_is_no_commit(self, revisions: Revisions, text: str) -> None:
        with pytest.raises(IsRange) as caught:
            revisions.resolve(text)
        assert caught.value.message == f"'{text}' is a range, and one commit is wanted"
        assert f"lxgit log{'' if text[0] == '^' else ' -p'} {text}" in str(caught.value.hint)

    @pytest.mark.parametrize(
        "text", ["^nope", "base..nope", ":/no such^!", "HEAD^{/base..tuned}", "^" * 9999 + "base"]
    )
    def test_what_only_looks_like_a_range(self, revisions: Revisions, text: str) -> None:
        with pytest.raises(UnknownRevision):
            revisions.resolve(text)

    def test_an_unborn_head(self, revisions: Revisions, refs: RefStore) -> None:
        refs.set_head("refs/heads/unborn", message="", who=WHO, unborn=True)
        with pytest.raises(UnknownRevision, match="'unborn', which has no commit"):
            revisions.resolve("HEAD")


def test_an_empty_store_says_how_to_begin(revisions: Revisions) -> None:
    with pytest.raises(UnknownRevision) as caught:
        revisions.resolve("HEAD")
    assert "bootstrap" in str(caught.value.hint)
    assert "import" in str(caught.value.hint)


class TestWhatIsNoCommit:
    def test_a_tag_of_a_tree(
        self, revisions: Revisions, stock: StockGit, made: dict[int, str]
    ) -> None:
        stock("tag", "-a", "-m", "odd", "odd", f"{made[1]}^{{tree}}")
        with pytest.raises(NotACommit, match="is a tree"):
            revisions.resolve("odd")
        with pytest.raises(NotACommit, match="is a tree"):
            revisions.resolve("base^{tree}")
        with pytest.raises(NotACommit, match="is a tree"):
            revisions.resolve("base:")

    def test_the_id_of_a_blob(self, revisions: Revisions, stock: StockGit) -> None:
        oid = stock.blob(b"data")
        stock("update-ref", "refs/heads/base", stock.commit("one"))
        for length in (12, 40):
            with pytest.raises(NotACommit, match="is a blob") as caught:
                revisions.resolve(oid[:length])
            assert hex_id(caught.value.oid) == oid

    def test_a_tag_of_nothing_is_damage(
        self, revisions: Revisions, stock: StockGit, made: dict[int, str]
    ) -> None:
        path = stock.git_dir / "objects" / made[3][:2] / made[3][2:]
        stock("update-ref", "refs/tags/r1", made[3])
        path.unlink()
        with pytest.raises(MissingObject, match=made[3]):
            revisions.resolve("r1")


class TestAmbiguity:
    def test_a_branch_and_a_tag(
        self, revisions: Revisions, stock: StockGit, made: dict[int, str]
    ) -> None:
        stock("tag", "tuned", made[1])
        for text in ("tuned", "tuned~1"):
            with pytest.raises(AmbiguousRevision) as caught:
                revisions.resolve(text)
            assert caught.value.candidates == ("refs/tags/tuned", "refs/heads/tuned")
        assert hex_id(revisions.resolve("heads/tuned")) == made[3]

    def test_a_beginning_of_several_commits(self, revisions: Revisions, stock: StockGit) -> None:
        first: dict[str, str] = {}
        number = 0
        while True:
            oid = stock.commit(f"{number}")
            if other := first.get(oid[:4]):
                break
            first[oid[:4]] = oid
            number += 1
            if number == 2000:
                pytest.skip("no two of 2,000 commits begin alike")
        with pytest.raises(AmbiguousRevision) as caught:
            revisions.resolve(oid[:4])
        assert len(caught.value.candidates) == 2
        assert all(oid[:4] == text[:4] for text in caught.value.candidates)
        assert hex_id(revisions.resolve(other)) == other

    def test_blobs_that_begin_alike_are_in_nobodys_way(
        self, revisions: Revisions, stock: StockGit, made: dict[int, str]
    ) -> None:
        prefix = made[1][:4]
        alike = (blob(b"%d" % number) for number in range(1 << 20))
        write_pack(stock.git_dir, [next(b for b in alike if hex_id(b.oid).startswith(prefix))])
        assert hex_id(revisions.resolve(prefix)) == made[1]


class TestRanges:
    @pytest.mark.parametrize(
        ("texts", "same"),
        [
            (["base"], ["base"]),
            (["tuned..base"], ["tuned..base"]),
            (["tuned.."], ["tuned..HEAD"]),
            (["..tuned"], ["HEAD..tuned"]),
            (["tuned...base"], ["tuned...base"]),
            (["base", "^tuned"], ["base", "^tuned"]),
            (["base:v1..base:latest"], ["base/v1..base"]),
            (["base^!"], ["base^!"]),
            (["base^@"], ["base^@"]),
            (["base^-2"], ["base^-2"]),
            (["base:v1..base^2"], ["base/v1..base^2"]),
            ([":/commit 4"], [":/commit 4"]),
        ],
    )
    @pytest.mark.usefixtures("made")
    def test_they_mean_what_they_mean_to_git(
        self, revisions: Revisions, stock: StockGit, texts: list[str], same: list[str]
    ) -> None:
        arguments = revisions.range_arguments(texts)
        assert stock("rev-list", *arguments) == stock("rev-list", *same)
        assert all(set(argument) <= set("0123456789abcdef^.!@-") for argument in arguments)

    @pytest.mark.parametrize("text", ["--all", "-n1..base", "base..--output=x", "^--all", "a..b"])
    @pytest.mark.usefixtures("made")
    def test_nothing_that_was_typed_becomes_an_option(
        self, revisions: Revisions, text: str
    ) -> None:
        with pytest.raises(UnknownRevision):
            revisions.range_arguments([text])

    def test_dots_in_a_search_are_no_range(
        self, revisions: Revisions, made: dict[int, str]
    ) -> None:
        arguments = revisions.range_arguments(["HEAD~1^{/mit..}..base"])
        assert arguments == [made[5], f"^{made[4]}"]

    def test_names_may_be_found_by_others(self, revisions: Revisions) -> None:
        oid = ObjectID(b"\xab" * 20)
        seen: list[str] = []

        def find(text: str) -> ObjectID:
            seen.append(text)
            return oid

        assert revisions.range_arguments(["box..", "^y"], find) == [
            hex_id(oid), f"^{hex_id(oid)}", f"^{hex_id(oid)}",
        ]  # fmt: skip
        assert seen == ["box", "HEAD", "y"]


def test_nearest_names_come_in_order() -> None:
    assert nearest_names("base", ["bases", "b", "base1x", "other"]) == ["bases", "base1x"]
    assert nearest_names("zzz", ["base"]) == []


@pytest.mark.usefixtures("made")
def test_all_names_as_a_user_may_write_them(revisions: Revisions) -> None:
    assert revisions.names() == [
        "base", "tuned", "base/v1", "base/v2", "twice", "base:v1", "base:v2",
    ]  # fmt: skip
