"""The table of commands: enough for `lxgit --help`, and where to find each one.

Nothing is imported for a command that is not asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lxgit.cli.params import Command


class Listed(NamedTuple):
    """A command as the table has it: `module` below lxgit.cli, `function` in it."""

    name: str
    module: str
    function: str
    summary: str

    def load(self) -> Command:
        """Import the command's module."""
        loaded: Command = getattr(import_module(f"lxgit.cli.{self.module}"), self.function)
        return loaded


GROUPS: dict[str, tuple[Listed, ...]] = {
    "Work on a machine": (
        Listed("run", "run", "run", "start a container of an image, HEAD's by default"),
        Listed("start", "run", "start", "go back into a stopped container"),
        Listed("status", "worktree", "status", "show what containers changed"),
        Listed("diff", "diff", "diff", "show changes as text"),
        Listed("commit", "worktree", "commit", "record what a container changed"),
    ),
    "Look at history": (
        Listed("log", "log", "log", "show the commits of a branch"),
        Listed("show", "history", "show", "show a commit, or a file of one"),
        Listed("ls", "history", "ls", "list a directory of an image"),
        Listed("reflog", "undo", "reflog", "show where names were"),
        Listed("rev-parse", "history", "rev_parse", "print the id that a name stands for"),
    ),
    "Grow and mark history": (
        Listed("branch", "branches", "branch", "list, create or delete branches"),
        Listed("checkout", "branches", "checkout", "move HEAD to a branch or a commit"),
        Listed("switch", "branches", "switch", "move HEAD to a branch"),
        Listed("tag", "tags", "tag", "list, create or delete tags"),
        Listed("undo", "undo", "undo", "undo the last command that moved a name"),
    ),
    "Containers": (
        Listed("ps", "containers", "ps", "list containers"),
        Listed("exec", "run", "exec_", "run another command in a running container"),
        Listed("logs", "running", "logs", "print what a container has written"),
        Listed("attach", "running", "attach", "connect this terminal to a running container"),
        Listed("stop", "running", "stop", "end running containers"),
        Listed("kill", "running", "kill", "send running containers a signal"),
        Listed("restart", "running", "restart", "stop containers, and start them again"),
        Listed("wait", "running", "wait", "wait for containers to end"),
        Listed("rename", "running", "rename", "give a container another name"),
        Listed("rm", "containers", "rm", "delete containers"),
        Listed("inspect", "containers", "inspect", "show everything about images and containers"),
    ),
    "Images": (
        Listed("bootstrap", "images", "bootstrap", "make an image from Debian's archive"),
        Listed("import", "images", "import_", "make an image from a tar or a directory"),
        Listed("export", "images", "export", "write an image as a tar"),
        Listed("images", "images", "images", "list images"),
        Listed("rmi", "images", "rmi", "delete names of images"),
    ),
    "The store": (
        Listed("gc", "store", "gc", "drop what nothing reaches, and repack"),
        Listed("prune", "store", "prune", "drop cached layers"),
        Listed("fsck", "store", "fsck", "verify the store, and repair what can be"),
    ),
    "lxgit itself": (
        Listed("help", "about", "help_", "show how to use a command"),
        Listed("completion", "about", "completion", "print the completion script of a shell"),
    ),
}


def find(name: str) -> Listed | None:
    """The command of that name."""
    return next((listed for listed in all_commands() if listed.name == name), None)


def all_commands() -> list[Listed]:
    """Every command, in the order of the help."""
    return [listed for group in GROUPS.values() for listed in group]


def nearest(name: str) -> str | None:
    """The command that a mistyped name most likely means."""
    from difflib import get_close_matches

    matches = get_close_matches(name, [listed.name for listed in all_commands()], n=1)
    return matches[0] if matches else None


def overview() -> str:
    """What `lxgit --help` prints."""
    width = max(len(listed.name) for listed in all_commands())
    lines = [_HEAD]
    for title, group in GROUPS.items():
        lines.append(f"{title}:")
        lines += [f"  {listed.name:{width}}  {listed.summary}" for listed in group]
        lines.append("")
    return "\n".join((*lines, _FOOT))


_HEAD = """\
Usage: lxgit [--store DIR] COMMAND [ARGUMENT]...

Git for machine images: an image is a commit, a container its work tree.
"""

_FOOT = """\
Options:
  --store DIR  the store; default LXGIT_STORE, else /var/lib/lxgit for root,
               ~/.local/share/lxgit for others
  --version    print the version
  --help       print this

'lxgit help COMMAND' tells more of one command, with examples.
"""
