"""Names that stock Git takes, and that a terminal takes for commands: U+009B is ESC [."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.program import Lxgit

NAME = "x\x9b2Jy"
SHOWN = r"x\x9b2Jy"


@pytest.fixture
def foreign(grown: Lxgit) -> Lxgit:
    """A store with such a branch, which is HEAD's, and such a tag."""
    git = ("git", "--git-dir", str(grown.store / "git"))
    for words in (
        ("branch", NAME, "tuned"),
        ("tag", f"{NAME}/v1", "tuned"),
        ("symbolic-ref", "HEAD", f"refs/heads/{NAME}"),
    ):
        subprocess.run([*git, *words], check=True)
    return grown


@pytest.mark.parametrize(
    "words",
    [
        ("branch",),
        ("branch", "-v"),
        ("branch", "--show-current"),
        ("tag",),
        ("status",),
        ("log", "--decorate", "-n", "1"),
        ("log", "--decorate", "--oneline", "--graph", "-n", "1"),
        ("images",),
        ("images", "--tree"),
        ("checkout", NAME),
        ("checkout", "-B", NAME),
        ("checkout", "-b", f"{NAME}2"),
        ("branch", "-f", f"{NAME}3", "base"),
        ("tag", "-d", f"{NAME}/v1"),
        ("rmi", "-f", f"{NAME}:v1"),
    ],
    ids=lambda words: " ".join(words).encode("unicode_escape").decode(),
)
def test_a_name_is_shown_and_moves_no_cursor(foreign: Lxgit, words: tuple[str, ...]) -> None:
    done = foreign(*words)
    said = done.out + done.err
    assert said.isascii() or "\x9b" not in said
    if words[:2] != ("branch", "-f"):
        assert SHOWN in said


def test_deleted(foreign: Lxgit) -> None:
    foreign("checkout", "base")
    done = foreign("branch", "-D", NAME)
    assert done.out.startswith(f"Deleted branch {SHOWN} (was ")
    assert SHOWN in foreign("undo").out
