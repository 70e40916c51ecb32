"""A store's settings, as `git config` reads them from files that were written by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.git import GitFailed
from lxgit.repository import NoStore, NotAStore, create_repository, open_repository
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("user.name", "user.email")

WRITTEN = {
    "as Git writes it": b'[user]\n\tname = Ada\n\temail = "ada@example.org"\n',
    "a capital": b"[User]\n\tName = Ada\n",
    "capitals": b"[USER]\nNAME=Ada\nEMAIL=a@b",
    "one line": b"[uSer] name = Ada ; who else\n[CORE] editor = vi # or so\n",
    "blanks": b"  [ User ]\n name = x\n",
    "blanks before it": b" \t[User]name=Ada\n",
    "quotes": b'[User]\n\tname = "Ada \\"L\\" ; " Lovelace\n',
    "lines that go on": b"[User]\n\tname = Ada \\\n  Lovelace\n",
    "the last counts": b"[user]\nname = Ada\n[User]\nname = Bo\n",
    "of something else": b'[user "Ada"]\n\tname = Ada\n',
    "a comment": b"# [user]\n#\tname = Ada\n",
    "without a value": b"[User]\n\tname\n\temail =\n",
    "other line ends": b"[User]\r\n\tname = Ada\r\n",
    "bytes": b"[User]\n\tname = Ad\xe1\n",
    "another file": b"[include]\n\tpath = other\n",
    "another file in capitals": b"[INCLUDE]\n\tPath = other\n",
    "another file if": b'[includeIf "gitdir:**"]\n\tpath = other\n',
    "another file if not": b'[IncludeIf "gitdir:/nowhere/"]\n\tpath = other\n',
    "another file before": b"[Include]\n\tpath = other\n[User]\nname = Bo\n",
    "of this work tree": b"[Extensions]\n\tworktreeConfig = true\n",
    "nothing": b"",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_settings_are_what_git_reads(store_dir: Path, written: str) -> None:
    repository = create_repository(store_dir)
    git = StockGit(repository.git_dir)
    (repository.git_dir / "other").write_bytes(b"[User]\n\tname = Other\n")
    (repository.git_dir / "config.worktree").write_bytes(b"[User]\n\tname = Tree\n")
    with (repository.git_dir / "config").open("ab") as file:
        file.write(WRITTEN[written])
    for key in KEYS:
        told = git.attempt("config", "--get", key)
        if told.returncode > 1:
            with pytest.raises(GitFailed):
                repository.config(key)
        else:
            said = told.stdout.decode(errors="surrogateescape").removesuffix("\n")
            assert repository.config(key) == (said or None), told


def test_many_who_make_a_store_at_once_all_have_it(store_dir: Path) -> None:
    """What one looks at another finishes: a file gets its name, a store its format."""
    for number in range(50):
        makers = []
        for _ in range(6):
            child = os.fork()
            if child == 0:
                try:
                    create_repository(store_dir / f"{number}")
                    os._exit(0)
                finally:
                    os._exit(1)
            makers.append(child)
        assert [os.waitpid(maker, 0)[1] for maker in makers] == [0] * 6


def test_what_is_named_while_somebody_looks_is_no_strangers(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_dir.mkdir(mode=0o700)
    monkeypatch.setattr(os, "listdir", lambda _: ["git.0.tmp", "format.0.tmp"])
    with pytest.raises(NoStore):
        open_repository(store_dir)


def test_a_format_that_is_a_dangling_link_is_no_stores(store_dir: Path) -> None:
    store_dir.mkdir(mode=0o700)
    (store_dir / "format").symlink_to("nowhere")
    with pytest.raises(NotAStore, match="is not a store"):
        open_repository(store_dir)


def test_what_another_closes_and_fills_while_one_looks_is_a_store(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_dir.mkdir()
    store_dir.chmod(0o775)
    listed = os.listdir

    def when_it_is_made(path: str) -> list[str]:
        monkeypatch.setattr(os, "listdir", listed)
        create_repository(store_dir)
        return listed(path)

    monkeypatch.setattr(os, "listdir", when_it_is_made)
    open_repository(store_dir)
