"""Commands about lxgit itself: help and completion."""

from __future__ import annotations

from lxgit.cli import commands
from lxgit.cli.dispatch import run_command
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.session import Session


@command(
    examples=(
        ("lxgit help", "the common commands"),
        ("lxgit help --all", "every command"),
        ("lxgit help run", ""),
        ("lxgit help container ls", ""),
    )
)
def help_(
    session: Session,
    names: Annotated[tuple[str, ...], argument("COMMAND", help="a command's name")] = (),
    every: Annotated[bool, option("-a", "--all", help="list every command")] = False,
) -> int:
    """Show how to use a command; without one, list those that are common."""
    if every:
        session.out.write(commands.all_commands())
        return 0
    if not names:
        session.out.write(commands.overview())
        return 0
    return run_command(session, [*names, "--help"])


@command(examples=(('eval "$(lxgit completion bash)"', "in ~/.bashrc, without make install"),))
def completion(
    session: Session,
    shell: Annotated[Literal["bash", "zsh", "fish"], argument("SHELL", help="bash, zsh or fish")],
) -> None:
    """Print the script that makes a shell complete names of commands, branches, tags, containers.

    `make install` puts it where each shell looks for it.
    """
    from lxgit.cli.completion_scripts import SCRIPTS

    session.out.write(SCRIPTS[shell])
