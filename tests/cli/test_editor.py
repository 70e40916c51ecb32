"""Commit messages from an editor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.cli.editor import EditorFailed, NoMessage, edit_message

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_the_message(tmp_path: Path) -> None:
    file = tmp_path / "COMMIT EDITMSG"
    editor = "cat >>\"$1\" <<'END' && true\nFour workers  \n\n\n\nTwo were few.\n# no\nEND\n:"
    assert edit_message(file, editor, "A  /etc/motd") == "Four workers\n\nTwo were few.\n"
    assert "\n# A  /etc/motd\n" in file.read_text()


def test_the_editors_own_words_are_split_by_the_shell(tmp_path: Path) -> None:
    assert edit_message(tmp_path / "m", "sed -i '1s/.*/One/'", "") == "One\n"


def test_an_empty_message_makes_no_commit(tmp_path: Path) -> None:
    with pytest.raises(NoMessage):
        edit_message(tmp_path / "m", "true", "A  /etc/motd")


def test_an_editor_that_fails(tmp_path: Path) -> None:
    with pytest.raises(EditorFailed, match="the editor 'false' failed with exit code 1"):
        edit_message(tmp_path / "m", "false", "")


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    (tmp_path / "written").write_text("a\fb\N{NEXT LINE}c\nx\N{LINE SEPARATOR}# y\n# no\n")
    copying = f"cp {tmp_path / 'written'}"
    told = edit_message(tmp_path / "m", copying, "")
    assert told == "a\fb\N{NEXT LINE}c\nx\N{LINE SEPARATOR}# y\n"
