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
    for words in (["images"], ["images", "-q"], ["images", "--format", "json"]):
        result = based(*words, code=1)
        assert oid[:12] in result.out
        assert result.err.startswith(f"lxgit: '{name}': ")
        assert told in result.err
    assert "damaged" in based("images", code=1).lines[-1]
    assert based("inspect", "base").json[0]["RepoTags"] == ["base:latest"]
    assert based("system", "df").lines[1].startswith("Images ")
    assert based("system", "df", "-v").out
    assert based("tag").lines == (["bad"] if place == "tags" else [])
    if place == "heads":
        for words in (["branch", "-v"], ["branch", "--format", "json"]):
            result = based(*words, code=1)
            assert oid[:12] in result.out
            assert result.err.startswith("lxgit: 'bad': ")
        assert based("branch").lines == ["  bad", "* base"]
