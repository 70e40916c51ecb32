"""A branch or tag whose commit is damaged: it is named, and the others are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

GONE = "1" * 40


def forged(git: StockGit) -> str:
    """A commit without a header that every one has."""
    text = f"tree {git.word('rev-parse', 'base^{tree}')}\n\nno author\n".encode()
    words = ("hash-object", "-t", "commit", "-w", "--literally", "--stdin")
    return git.word(*words, stdin=text)


@pytest.mark.parametrize("kind", ["missing", "forged"])
@pytest.mark.parametrize("place", ["heads", "tags"])
def test_the_others_are_listed(based: Lxgit, git: StockGit, kind: str, place: str) -> None:
    oid = based("rev-parse", "base").out.strip()
    bad = GONE if kind == "missing" else forged(git)
    (git.git_dir / "refs" / place / "bad").write_text(f"{bad}\n")
    name = "bad:latest" if place == "heads" else "bad"
    told = f"object {GONE} is missing" if kind == "missing" else "header that is broken or missing"
    listings = ["", "-q", "--format json", "-a", "-a -q", "--tree --no-trunc", "--viz"]
    for words in [["images", *options.split()] for options in listings]:
        result = based(*words, code=1)
        assert oid[:12] in result.out
        assert result.err.startswith(f"lxgit: '{name}': ")
        assert told in result.err
    assert "damaged" in based("images", code=1).lines[-1]
    assert based("inspect", "base").json[0]["RepoTags"] == ["base:latest"]
    assert based("system", "df").lines[1].startswith("Images ")
    assert based("system", "df", "-v").out
    assert based("images", "--filter", "dangling=true", "-q").out == ""
    assert based("log", "--oneline", "--decorate", "base").out.startswith(oid[:12])
    if place == "heads":
        for words in (["branch", "-v"], ["branch", "--format", "json"]):
            result = based(*words, code=1)
            assert oid[:12] in result.out
            assert result.err.startswith("lxgit: 'bad': ")
        assert based("branch").lines == ["  bad", "* base"]


@pytest.mark.parametrize("kind", ["missing", "annotated"])
def test_a_damaged_tag(based: Lxgit, git: StockGit, kind: str) -> None:
    """It is named wherever tags are listed, and stands in the way of no other."""
    oid = based("rev-parse", "base").out.strip()
    based("tag", "-a", "-m", "The first", "good")
    tag = f"object {GONE}\ntype commit\ntag bad\ntagger a <a@b> 1 +0000\n\nm\n".encode()
    words = ("hash-object", "-t", "tag", "-w", "--stdin", "--literally")
    bad = GONE if kind == "missing" else git.word(*words, stdin=tag)
    (git.git_dir / "refs/tags/bad").write_text(f"{bad}\n")
    shown = {"-l": "bad\ngood\n", "-q": f"{oid[:12]}\n", "-n": None, "--format json": None}
    for options, out in shown.items():
        result = based("tag", *options.split(), code=1)
        assert result.err.startswith(f"lxgit: 'bad': object {GONE} is missing\nhint: 'lxgit fsck'")
        assert out is None or result.out == out
    assert based("tag", "-l", "g*").lines == ["good"]
    decorated = based("log", "--oneline", "--decorate", "base").out
    assert decorated.startswith(f"{oid[:12]} (HEAD -> base, tag: good) ")
    assert "Tags: good, base:latest" in based("images", "--tree", code=1).out
    if kind == "annotated":
        for deletes in (["tag", "-d", "bad"], ["rmi", "bad"]):
            assert bad[:12] in based(*deletes).out
            assert based("tag").lines == ["good"]
            git("update-ref", "refs/tags/bad", bad)


def test_a_damaged_branch_does_not_become_heads(based: Lxgit, git: StockGit) -> None:
    (git.git_dir / "refs/heads/bad").write_text(f"{forged(git)}\n")
    for words in (["checkout", "bad"], ["switch", "bad"]):
        assert "header that is broken or missing" in based(*words, code=1).err
        assert based("branch", "--show-current").out == "base\n"
