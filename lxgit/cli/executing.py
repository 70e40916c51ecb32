"""`exec`, by itself, since whoever types it waits for the imports too."""

from __future__ import annotations

from lxgit.cli.detaching import DetachKeys, exit_code, key_sequence
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.processoptions import (
    Environment,
    EnvironmentFiles,
    Interactive,
    Tty,
    User,
    WorkingDir,
    check_terminal,
    lines_of,
    terminal_size,
    variables,
)
from lxgit.cli.session import Session


@command(
    options_first=True,
    examples=(
        ("lxgit exec web ps", ""),
        ("lxgit exec -u nobody -w /tmp -e A=b web sh -c 'id; pwd; echo $A'", ""),
        ("lxgit exec -d web touch /tmp/done", "and do not wait for it"),
    ),
)
def exec_(
    session: Session,
    container: Annotated[str, argument("CONTAINER", help="a running one", completes="container")],
    program: Annotated[tuple[str, ...], argument("COMMAND", help="what to run in it")],
    interactive: Interactive = False,
    tty: Tty = False,
    detach: Annotated[
        bool, option("-d", "--detach", help="let it run by itself, without waiting for it")
    ] = False,
    environment: Environment = (),
    env_files: EnvironmentFiles = (),
    working_dir: WorkingDir = None,
    user: User = None,
    detach_keys: DetachKeys = None,
) -> int:
    """Run another command in a running container, and exit with its code."""
    from lxgit.operations.executing import Streams, WantedCommand, execute

    if not detach:
        check_terminal(interactive=interactive, tty=tty)
    wanted = WantedCommand(
        command=program,
        environment=variables((*lines_of("--env-file", env_files), *environment)),
        working_dir=working_dir or "",
        user=user or "",
        tty=tty,
        stdin_open=interactive and not detach,
        detached=detach,
        window=terminal_size() if tty else None,
    )
    streams = Streams(0 if interactive else None, 1, 2, tty, key_sequence(detach_keys))
    return exit_code(session, execute(session.repository(), container, wanted, streams))
