"""What fsck does about a store's Git configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.operations.repair import lacking_settings, write_settings
from lxgit.repository import create_repository
from tests.support.stockgit import StockGit
from tests.support.stores import flip, problems, stock_fsck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.repository import Repository


@pytest.fixture
def repository(store_dir: Path) -> Iterator[Repository]:
    """An empty store; at the end stock Git finds nothing wrong with it."""
    made = create_repository(store_dir)
    yield made
    assert stock_fsck(made) == ""


def test_any_bit_of_the_configuration(repository: Repository) -> None:
    """What somebody has set stays, but for a line that cannot be read and the section of one."""
    config = repository.git_dir / "config"
    repository.git.run(["config", "--file", "config", "user.name", "Ada"])
    whole = config.read_bytes()
    first, second, *_ = whole.splitlines(keepends=True)
    for place in range(0, len(first + second), 2):
        for mask in (1, 0x40, 0x80):
            flip(config, place, mask)
            write_settings(repository)
            assert lacking_settings(repository) == {}
            assert repository.git.run(["config", "user.name"]) == b"Ada\n"
            config.write_bytes(whole)


def test_a_configuration_that_stock_git_holds_stays_as_it_is(repository: Repository) -> None:
    """It was emptied, and called repaired. Later all of it stays but what is mended."""
    store, config = repository.path, repository.git_dir / "config"
    sound = config.read_bytes()
    users = b'# mine\n[remote "origin"]\n\turl = "https://e.org/;x" # there\n[user]\n\tname = Ada\n'
    harmed = sound.replace(b"bigFileThreshold = 32m", b"bigFileThreshold = 1g") + users
    config.write_bytes(harmed)
    config.chmod(0o600)
    lock = config.with_name("config.lock")
    lock.touch()
    held, lacking = problems(store, repair=True)
    assert f"'{lock}'" in held.message
    assert "remove that file" in str(held.hint)
    assert not held.repaired
    assert not lacking.repaired
    assert config.read_bytes() == harmed
    lock.unlink()
    assert [problem.repaired for problem in problems(store, repair=True)] == [True]
    assert config.read_bytes() == sound + users
    assert config.stat().st_mode & 0o777 == 0o600
    assert problems(store) == []


def test_a_configuration_that_git_reads_and_refuses_is_not_called_repaired(
    repository: Repository,
) -> None:
    store, config = repository.path, repository.git_dir / "config"
    sound = config.read_bytes()
    harmed = sound.replace(b"bare = true", b"bare = trud")
    config.write_bytes(harmed)
    assert all(problem.repaired for problem in problems(store, repair=True))
    assert config.read_bytes() == sound
    config.write_bytes(harmed + b"[extensions]\n\tobjectFormat = none\n")
    found = problems(store, repair=True)
    assert "objectformat" in found[0].message
    assert "take it out" in str(found[0].hint)
    assert not found[0].repaired
    assert config.read_bytes() == sound + b"[extensions]\n\tobjectFormat = none\n"
    config.write_bytes(sound)


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("[gc]", "[broken\n[gc]", "writes it anew"),
        ("bare = true", "bare = trud", "writes it anew"),
        ("bigFileThreshold = 32m", "bigFileThreshold = 32x", "makes it again"),
        ("[gc]", "[extensions]\n\tobjectFormat = none\n[gc]", "writes it anew"),
        ("[gc]", "[core]\n\tpackedGitLimit = x\n[gc]", "take it out of git/config"),
    ],
)
def test_what_git_says_of_a_configuration_is_no_loss(
    repository: Repository, old: str, new: str, hint: str
) -> None:
    """The hint was about the packs of a clone."""
    config = repository.git_dir / "config"
    sound = config.read_text()
    assert old in sound
    config.write_text(sound.replace(old, new))
    found = problems(repository.path)
    assert any(problem.message.startswith(("fatal: ", "error: ")) for problem in found)
    assert all(hint in str(problem.hint) for problem in found)
    config.write_text(sound)


@pytest.mark.parametrize("more", ["refs/private", "!refs/private/shown", "!refs/lxgit-like"])
def test_whoever_hides_more_hides_that_too(repository: Repository, more: str) -> None:
    """Only the last value counted, and with the repair the others went: what they hid was shown."""
    git, name = StockGit(repository.git_dir), "transfer.hideRefs"
    git("config", "--add", name, more)
    assert problems(repository.path) == []
    git("config", "--unset", name, "^refs/lxgit$")
    [told] = problems(repository.path, repair=True)
    assert (told.message, told.repaired) == (f"git/config does not say {name}=refs/lxgit", True)
    assert git.word("config", "--get-all", name).splitlines() == [more, "refs/lxgit"]
    assert problems(repository.path) == []


@pytest.mark.parametrize("shown", ["refs", "refs/lxgit/", "^refs/lxgit/cache"])
def test_a_value_that_shows_what_is_hidden_is_told_of(repository: Repository, shown: str) -> None:
    git, name = StockGit(repository.git_dir), "transfer.hideRefs"
    empty = git.word("commit-tree", "-m", "", git.word("mktree"))
    git("update-ref", "refs/lxgit/cache/a", empty)
    git("config", "--add", name, f"!{shown}")
    assert b"refs/lxgit" in git("ls-remote", str(repository.git_dir))
    assert lacking_settings(repository) == {name: "refs/lxgit"}
    write_settings(repository)
    assert lacking_settings(repository) == {}
    assert b"refs/lxgit" not in git("ls-remote", str(repository.git_dir))
    git("update-ref", "-d", "refs/lxgit/cache/a")


def test_what_has_the_last_part_of_a_name_stays(repository: Repository) -> None:
    """With one line that Git cannot read, all settings went that end as one of the store's."""
    git, config = StockGit(repository.git_dir), repository.git_dir / "config"
    mine = {
        "uploadpack.hiderefs": "refs/private",
        "fetch.fsckobjects": "true",
        "transfer.hiderefs": "refs/also",
        "remote.bare.fsckobjects": "false",
    }
    for name, value in mine.items():
        git("config", "--add", name, value)
    with config.open("ab") as file:
        file.write(b"[broken\n")
    assert all(problem.repaired for problem in problems(repository.path, repair=True))
    assert problems(repository.path) == []
    assert {name: git.word("config", name) for name in mine} == mine
    assert git.word("config", "--get-all", "transfer.hideRefs") == "refs/lxgit\nrefs/also"
