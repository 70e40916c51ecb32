"""A message in the user's editor, as Git asks for one (git-commit, COMMIT_EDITMSG)."""

from __future__ import annotations

import os
import subprocess

from lxgit.cli.environment import editor, program_environment
from lxgit.errors import LxgitError
from lxgit.operations.messages import clean_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.cli.session import Session


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
    message = clean_message(path.read_text("utf-8", "surrogateescape"), comment="#")
    if not message:
        raise NoMessage("nothing was done: the message is empty", hint="-m MESSAGE gives one")
    return message


def ask_message(session: Session, name: str, comments: str) -> str:
    """Have the user write a message in the file `name` of the store's Git directory.

    NoMessage where there is no terminal to write on; else as `edit_message`.
    """
    check_terminal()
    return edit_message(session.repository().git_dir / name, editor(), comments)


def check_terminal() -> None:
    """Raise NoMessage where an editor could not be used."""
    if not (os.isatty(0) and os.isatty(1)):
        raise NoMessage("a message is missing", hint="-m MESSAGE; an editor needs a terminal")


_INSTRUCTIONS = (
    "Write the message above. Lines that begin with '#' are left out; with nothing",
    "written, nothing is done.",
    "",
)
