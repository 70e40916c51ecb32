"""Commands for the time before and after a boot: system service, start-all, stop-all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lxgit.cli.environment import ROOT_STORE
from lxgit.cli.params import Annotated, command, option
from lxgit.cli.running import Patience
from lxgit.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.operations.service import Result


@command(
    examples=(
        ("lxgit system service", "prints the unit"),
        ("lxgit system service --install --directory .", "or writes it"),
    )
)
def service(
    session: Session,
    install: Annotated[
        bool, option("--install", help="write it, to work from the next boot")
    ] = False,
    directory: Annotated[
        str, option("--directory", help="where systemd looks for units", metavar="DIR")
    ] = "/etc/systemd/system",
) -> None:
    """Print a systemd unit that starts at boot what should run by its restart policy."""
    from lxgit.operations import service as units

    store = os.path.abspath(session.repository().path)
    text = units.unit(_program(), store)
    if not install:
        session.out.write(text.encode("utf-8", "surrogateescape"))
        return
    name = "lxgit.service" if store == ROOT_STORE else f"lxgit-{_name(store)}.service"
    session.out.line(str(units.install(name, text, Path(directory).absolute())))


def _program() -> tuple[str, ...]:
    """How this program is called, wherever from."""
    if os.access(sys.argv[0], os.X_OK) and not sys.argv[0].endswith(".py"):
        return (os.path.abspath(sys.argv[0]),)
    return sys.executable, "-m", "lxgit"


def _name(store: str) -> str:
    """A path as systemd.unit(5) has it in a unit's name, without dashes to be escaped."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in store.strip("/"))


@command(examples=(("lxgit system start-all", "as the unit does"),))
def start_all(session: Session) -> int:
    """Start every container that should run by its restart policy, and does not."""
    from lxgit.operations.service import start_all

    with session.progress() as progress:
        return _told(session, start_all(session.repository(), progress))


def _told(session: Session, results: Iterable[Result]) -> int:
    from lxgit.cli.report import tell

    code = 0
    for name, fault in results:
        if fault is None:
            session.out.line(name)
        else:
            tell(f"container '{name}': {fault.message}", hint=fault.hint)
            code = 1
    return code


@command(examples=(("lxgit system stop-all -t 1", "the next boot starts them again"),))
def stop_all(
    session: Session,
    patience: Patience = None,
) -> int:
    """Stop every container that runs, and have the next boot start what should run."""
    from lxgit.cli import moments
    from lxgit.operations.service import stop_all

    waits = moments.patience("--time", patience)
    return _told(session, stop_all(session.repository(), waits))
