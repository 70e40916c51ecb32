"""Commands for images: bootstrap, import, export, rmi."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path

from lxgit.cli.answers import tell_dropped, write_removed
from lxgit.cli.options import Message, message_of
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import Faults
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id
from lxgit.errors import LxgitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from lxgit.operations.store import Repository
    from lxgit.operations.values import Imported
    from lxgit.progress import Progress


class NoSource(LxgitError):
    """Nothing is there to import."""


NewName = Annotated[
    str, argument("NAME", help="the branch; new, or grown by a commit", completes="branch")
]
Orphan = Annotated[
    bool, option("--orphan", help="a commit without parent, also on a branch that is there")
]


@command(
    examples=(
        ("lxgit bootstrap trixie base", "Debian 13 in its smallest useful form"),
        ("lxgit bootstrap trixie server --include nginx-light,curl", "and two packages"),
        ("lxgit bootstrap bookworm old --variant essential", "Debian 12, without apt"),
    )
)
def bootstrap(
    session: Session,
    suite: Annotated[str, argument("SUITE", help="trixie, bookworm, sid, noble, …")],
    name: NewName,
    include: Annotated[
        tuple[str, ...], option("--include", help="packages to add, with commas", metavar="PACKAGE")
    ] = (),
    variant: Annotated[
        str, option("--variant", help="how much of a system: mmdebstrap(1)", metavar="NAME")
    ] = "minbase",
    components: Annotated[
        tuple[str, ...], option("--components", help="main, contrib, …", metavar="NAME")
    ] = (),
    mirror: Annotated[
        str, option("--mirror", help="where to get it; Debian's own by default", metavar="URL")
    ] = "",
    architecture: Annotated[
        str, option("--architecture", help="another machine's, such as arm64", metavar="NAME")
    ] = "",
    message: Message = (),
    orphan: Orphan = False,
) -> None:
    """Make an image from Debian's archive, by mmdebstrap, as a commit on the branch NAME.

    Prints the commit's id.
    """
    from lxgit.cli.environment import proxies
    from lxgit.operations import bootstrap as operation

    system = operation.System(
        suite,
        variant=variant,
        include=_separated(include),
        components=_separated(components),
        mirror=mirror,
        architecture=architecture,
    )
    repository = session.repository(create=True)
    with session.progress() as progress:
        made = operation.bootstrap(
            repository,
            system,
            name,
            orphan=orphan,
            message=message_of(message),
            environment=proxies(),
            identity=session.identity(),
            progress=progress,
        )
    _tell_imported(session, made)


def _separated(values: tuple[str, ...]) -> tuple[str, ...]:
    """The words of options that take several with commas between, as mmdebstrap does."""
    return tuple(word for value in values for word in value.replace(",", " ").split())


@command(
    examples=(
        ("lxgit import rootfs.tar.xz base", "a tar: plain, gz, bz2, xz or zst"),
        ("lxgit import /srv/machine base", "a directory"),
        ("lxgit import http://localhost:8000/rootfs.tar.xz base", "from the network"),
        ("tar -C /srv/machine -c . | lxgit import - base", "what comes through a pipe"),
        ("lxgit import --max-size 10G rootfs.tar.xz base", "a stranger's, which may be a bomb"),
    )
)
def import_(
    session: Session,
    source: Annotated[
        str,
        argument("SOURCE", help="a tar, a directory, a URL, or - for stdin", completes="path"),
    ],
    name: NewName,
    message: Message = (),
    orphan: Orphan = False,
    sha256: Annotated[
        str | None, option("--sha256", help="what a download must come to", metavar="HEX")
    ] = None,
    max_size: Annotated[
        str | None,
        option(
            "--max-size",
            help="refuse what unpacks to more, holes included; what the store has free by default",
            metavar="SIZE",
        ),
    ] = None,
) -> None:
    """Make a commit of a root filesystem on the branch NAME.

    On a branch that is there, it is a child of its tip; when that has the same tree, no commit is
    made. A URL begins with http:// or https://; a download that broke off is gone on with, if
    --sha256 or the server (ETag, Last-Modified) tells that the bytes are the same. Prints the
    commit's id.
    """
    from lxgit.operations.importing import import_image
    from lxgit.spelling import parse_size

    limit = None if max_size is None else parse_size(max_size)
    opened = _open_source(source, sha256)
    repository = session.repository(create=True)
    with (
        session.progress() as progress,
        _here(repository, opened, sha256, limit, progress) as here,
    ):
        made = import_image(
            repository,
            here,
            name,
            orphan=orphan,
            message=message_of(message) or _message(opened),
            max_size=limit,
            identity=session.identity(),
            progress=progress,
        )
    _tell_imported(session, made)


def _open_source(source: str, sha256: str | None) -> Path | BinaryIO | str:
    """What `import` reads, a URL as it is; checked before the first import makes a store."""
    if source.startswith(("http://", "https://")):
        if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
            raise UsageError("--sha256 takes 64 hexadecimal digits", hint="see 'sha256sum'")
        return source
    if sha256 is not None:
        raise UsageError("--sha256 is about a download", hint="'sha256sum' checks a file")
    if source == "-":
        if os.isatty(0):
            raise UsageError("standard input is a terminal", hint="lxgit import - NAME <rootfs.tar")
        return open(0, "rb", buffering=0, closefd=False)
    path = Path(os.path.abspath(source))
    if not source or not path.exists():  # an empty word would be the current directory
        raise NoSource(
            f"there is no '{source}' to import",
            hint="a tar archive, a directory, or - for standard input",
        )
    return path


@contextmanager
def _here(
    repository: Repository,
    source: Path | BinaryIO | str,
    sha256: str | None,
    max_size: int | None,
    progress: Progress,
) -> Iterator[Path | BinaryIO]:
    """The source on this machine: a URL's file is downloaded, and goes when it is imported."""
    if not isinstance(source, str):
        yield source
        return
    from lxgit.cli.environment import proxies
    from lxgit.operations.download import downloaded

    with downloaded(
        repository,
        source,
        sha256=sha256,
        max_size=max_size,
        proxies=proxies(),
        progress=progress,
    ) as path:
        yield path


def _message(source: Path | BinaryIO | str) -> str | None:
    """The message for what comes from a URL, without what may be secret in it."""
    return f"Import {re.split('[?#]', source)[0]}" if isinstance(source, str) else None


def _tell_imported(session: Session, made: Imported) -> None:
    session.out.line(short_id(made.oid))
    if made.unchanged:
        session.note(f"'{made.branch}' has this very tree already: no commit was made")
    tell_dropped(session, f"branch '{made.branch}'", made.dropped)


@command(
    examples=(
        ("lxgit export base -o rootfs.tar", ""),
        ("lxgit export base:v1 | zstd >rootfs.tar.zst", "compressed on its way"),
        ("lxgit export web | tar -t", "what the container 'web' is now"),
    )
)
def export(
    session: Session,
    revision: Annotated[
        str, argument("REV", help="an image, or a container", completes="revision")
    ],
    output: Annotated[
        str | None, option("-o", "--output", help="there, in place of stdout", metavar="FILE")
    ] = None,
) -> None:
    """Write an image as a tar, with everything that a root filesystem has.

    `tar --xattrs --xattrs-include='*' --acls --numeric-owner -xp`, as root, makes the same tree of
    it again.
    """
    from lxgit.operations.exporting import export_image

    repository = session.repository()
    if output not in (None, "-"):
        from lxgit.cli.outputfile import output_file

        with output_file(output, "-o") as file, session.progress() as progress:
            export_image(repository, revision, file, progress=progress)
        return
    if os.isatty(session.out.fd):
        raise UsageError(
            "a tar is nothing for a terminal", hint=f"lxgit export {revision} -o rootfs.tar"
        )
    with session.progress() as progress:
        export_image(repository, revision, session.out, progress=progress)


@command(
    examples=(
        ("lxgit rmi base:v1", "the tag 'v1' of 'base'"),
        ("lxgit rmi -f old", "a branch, though a container is on it"),
    )
)
def rmi(
    session: Session,
    names: Annotated[
        tuple[str, ...], argument("NAME", help="NAME[:TAG] or an id", completes="image")
    ],
    force: Annotated[
        bool, option("-f", "--force", help="also what containers are on; all names of an id")
    ] = False,
) -> int:
    """Delete names of images. The reflog keeps where they were; HEAD's branch stays."""
    from lxgit.operations.images import remove_image

    repository, who, faults = session.repository(), session.identity(), Faults(session)
    for name in names:
        with faults:
            removed = remove_image(repository, name, force=force, identity=who)
            write_removed(session.out, removed)
    return faults.exit_code
