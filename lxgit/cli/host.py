"""Commands about this installation: info, version."""

from __future__ import annotations

from pathlib import Path

from lxgit.cli.options import template_option
from lxgit.cli.params import Annotated, command
from lxgit.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@command(
    examples=(
        ("lxgit info", ""),
        ("lxgit info --format '{{.ContainersRunning}} of {{.Containers}}'", ""),
        ("lxgit info --format json", "for programs"),
    )
)
def info(session: Session, format_: Annotated[str, template_option("Images")] = "") -> None:
    """Show what the store has, what the host is, and what it lacks for containers."""
    from lxgit.operations.hostinfo import host_info

    found = host_info(Path(session.store), session.repository_to_list())
    if format_:
        _formatted(session, format_, found)
        return
    from lxgit.cli.human import size

    session.out.line(f"Containers: {found['Containers']}")
    for state in ("Running", "Paused", "Stopped"):
        session.out.line(f" {state}: {found[f'Containers{state}']}")
    for title, key in _LINES:
        session.out.line(f"{title}: {found[key]}")
    session.out.line(f"Memory: {size(found['MemTotal'])}")
    session.out.line("Checks:")
    for check in found["Checks"]:
        mark = "ok" if check["Fine"] else "missing"
        session.out.line(f" {mark:8}{check['Name']}: {check['Told']}")
        if check["Hint"]:
            session.out.line(f"         hint: {check['Hint']}")


_LINES = (
    ("Images", "Images"),
    ("Version", "ServerVersion"),
    ("Store", "LxgitRootDir"),
    ("Kernel", "KernelVersion"),
    ("Operating system", "OperatingSystem"),
    ("Architecture", "Architecture"),
    ("Host name", "Name"),
    ("Processors", "NCPU"),
)


@command(
    examples=(
        ("lxgit version", ""),
        ("lxgit version --format '{{.Git}}'", ""),
        ("lxgit version --format json", "for programs"),
    )
)
def version(session: Session, format_: Annotated[str, template_option("Git")] = "") -> None:
    """Show the versions of lxgit and of what it works with."""
    from lxgit.operations.versions import versions

    found = versions()
    if format_:
        _formatted(session, format_, found)
        return
    for name, number in found.items():
        session.out.line(f"{name + ':':13}{number or 'not installed'}")


def _formatted(session: Session, format_: str, found: Mapping[str, Any]) -> None:
    if format_ == "json":
        from json import dumps

        session.out.line(dumps(found))
        return
    from lxgit.cli.templates import write_templated

    write_templated(session.out, format_, [found])
