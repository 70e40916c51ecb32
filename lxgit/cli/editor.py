"""A commit message in the user's editor, as Git asks for one (git-commit, COMMIT_EDITMSG)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from lxgit.cli.environment import program_environment
from lxgit.errors import LxgitError

if TYPE_CHECKING:
    from pathlib import Path


class EditorFailed(LxgitError):
    """The editor did not start, or ended with a failure."""


class NoMessage(LxgitError):
    """Nothing was written."""


def edit_message(path: Path, command: str, comments: str) -> str:
    """Let the user write a message in the file `path`, with `comments` shown below.

    The file is left there, so that what was written is not lost when the commit fails. `command` is
    a shell's, as in GIT_EDITOR. EditorFailed, NoMessage.
    """
    lines = (f"# {line}".rstrip() for line in (*_INSTRUCTIONS, *comments.splitlines()))
    path.write_text("\n" + "\n".join(lines) + "\n", "utf-8", "surrogateescape")
    # As Git starts it (editor.c): the shell splits the command, the path is not the shell's.
    words = ["/bin/sh", "-c", f'{command} "$@"', command, str(path)]
    code = subprocess.run(words, env=program_environment(), check=False).returncode
    if code:
        raise EditorFailed(
            f"the editor '{command}' failed with exit code {code}",
            hint="GIT_EDITOR names another one; 'commit -m MESSAGE' needs none",
        )
    message = strip_comments(path.read_text("utf-8", "surrogateescape"))
    if not message:
        raise NoMessage("no commit was made: the message is empty", hint="commit -m MESSAGE")
    return message


def strip_comments(text: str) -> str:
    """What is left of a message as `git stripspace --strip-comments` leaves it.

    No comment lines, no blanks at the end of a line, no empty lines at either end, one between
    paragraphs; a newline at the end unless nothing is left.
    """
    kept = [line.rstrip() for line in text.splitlines() if not line.startswith("#")]
    lines = [
        line for at, line in enumerate(kept) if line or (at and kept[at - 1] and any(kept[at:]))
    ]
    return "\n".join(lines) + "\n" if lines else ""


_INSTRUCTIONS = (
    "Write the message of the commit. Lines that begin with '#' are left out;",
    "an empty message makes no commit.",
    "",
)
