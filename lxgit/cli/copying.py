"""`cp`: files go between a container and the host."""

from __future__ import annotations

import os

from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.cli.output import Output
    from lxgit.operations.copying import Place

_FORM = "lxgit cp CONTAINER:PATH HOSTPATH, or lxgit cp HOSTPATH CONTAINER:PATH"


@command(
    examples=(
        ("lxgit cp web:/etc/motd .", "out of a container, running or not"),
        ("lxgit cp rootfs.tar.xz web:/srv", "into a directory of one"),
        ("lxgit cp /srv/machine/etc/. web:/srv", "what is in a directory, without itself"),
        ("lxgit cp web:/etc - | tar -t", "as a tar"),
        ("tar -C /srv/machine -c etc | lxgit cp - web:/srv", "and from one"),
    )
)
def cp(
    session: Session,
    source: Annotated[
        str, argument("SOURCE", help="CONTAINER:PATH, a path of the host, or -", completes="copied")
    ],
    target: Annotated[str, argument("TARGET", help="one of the other kind", completes="copied")],
    archive: Annotated[
        bool, option("-a", "--archive", help="keep the owners, as the container sees them")
    ] = False,
    follow: Annotated[
        bool, option("-L", "--follow-link", help="copy what the link SOURCE leads to")
    ] = False,
    quiet: Annotated[bool, option("-q", "--quiet", help="show no progress")] = False,
) -> None:
    """Copy files between a container and the host.

    A TARGET that is a directory takes SOURCE in; else SOURCE gets that name. Owners become root of
    the container, or you; with - a tar has them all. No device comes to the host, and nothing
    setuid but with -a.
    """
    from lxgit.operations import copying
    from lxgit.progress import NullProgress

    here, there = _place(source), _place(target)
    if (here is None or here.container is None) == (there is None or there.container is None):
        raise UsageError("one of the two is a path of a container, the other is none", hint=_FORM)
    repository = session.repository()
    with session.progress() as shown:
        progress = NullProgress() if quiet else shown
        if there is None:
            assert here is not None
            copying.copy_out(repository, here, _output(session), follow=follow, progress=progress)
        elif here is None:
            with open(0, "rb", buffering=0, closefd=False) as stdin:
                copying.copy_in(repository, stdin, there, progress=progress)
        else:
            copying.copy(repository, here, there, archive=archive, follow=follow, progress=progress)


def _place(text: str) -> Place | None:
    """`CONTAINER:PATH` or a path of the host; None is standard input or output."""
    from lxgit.operations.copying import Place

    if text == "-":
        return None
    if not text:  # it would be the current directory
        raise UsageError("a path of the host is empty", hint=_FORM)
    container, colon, path = text.partition(":")
    if not colon or not container or container.startswith((".", "/")):
        return Place(None, os.path.join(os.getcwdb(), os.fsencode(text)))
    return Place(container, b"/" + os.fsencode(path).lstrip(b"/"))


def _output(session: Session) -> Output:
    if os.isatty(session.out.fd):
        raise UsageError("a tar is nothing for a terminal", hint="… - | tar -t")
    return session.out
