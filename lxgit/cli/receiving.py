"""Commands by which images come: pull, load."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress

from lxgit.cli.answers import tell_dropped
from lxgit.cli.options import TlsVerify
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import printable
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id
from lxgit.errors import LxgitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO


class NoSource(LxgitError):
    """Nothing is there to load."""


PullForce = Annotated[bool, option("-f", "--force", help="also where NAME has commits of your own")]
Platform = Annotated[
    str | None,
    option("--platform", help="another machine's: linux/arm64", metavar="OS/ARCHITECTURE"),
]
MaxSize = Annotated[
    str | None,
    option(
        "--max-size",
        help="refuse what unpacks to more, holes included; what the store has free by default",
        metavar="SIZE",
    ),
]


@command(
    examples=(
        ("lxgit pull -f localhost:5000/base", "as 'base', from a registry of your own"),
        ("lxgit pull localhost:5000/base mine:v1", "as the tag 'v1' of 'mine'"),
        ("lxgit pull -q --platform linux/amd64 localhost:5000/base other", ""),
        ("lxgit pull -f -a localhost:5000/base", "every tag: 'base', 'base:v1' and so on"),
    )
)
def pull(
    session: Session,
    source: Annotated[str, argument("SOURCE", help="[HOST[:PORT]/]PATH[:TAG][@DIGEST]")],
    name: Annotated[
        str | None,
        argument("NAME[:TAG]", help="what to call it; its PATH by default", completes="image"),
    ] = None,
    tag: Annotated[
        str | None, option("-t", "--tag", help="the tag, if SOURCE has none", metavar="TAG")
    ] = None,
    platform: Platform = None,
    registry: Annotated[
        str | None,
        option("--registry", help="the host, if SOURCE has none", metavar="HOST[:PORT]"),
    ] = None,
    force: PullForce = False,
    max_size: MaxSize = None,
    tls_verify: TlsVerify = True,
    every: Annotated[
        bool, option("-a", "--all-tags", help="each tag that there is of SOURCE")
    ] = False,
    quiet: Annotated[bool, option("-q", "--quiet", help="the commit's id alone")] = False,
) -> None:
    """Fetch an image from a registry: each entry of its history becomes a commit.

    A SOURCE without a host is Docker Hub's: 'lxgit pull debian'. What is here already is not
    fetched again, nor unpacked. A branch or tag of the name moves, unless you have committed on it.
    Prints the commit's id.
    """
    from lxgit.cli.environment import for_registries
    from lxgit.cli.progress import QuietProgress
    from lxgit.operations.pulling import PullRequest, pull_tags
    from lxgit.spelling import parse_size

    request = PullRequest(
        _whole(source, tag, registry),
        name,
        platform=platform,
        tls_verify=tls_verify,
        force=force,
        max_size=None if max_size is None else parse_size(max_size),
        environment=for_registries(),
    )
    repository = session.repository(create=True)
    with nullcontext(QuietProgress()) if quiet else session.progress() as progress:
        tell = silent if quiet else say
        identity = session.identity()
        for pulled in pull_tags(
            repository, request, tell, every=every, identity=identity, progress=progress
        ):
            if pulled.arrival.unchanged and not quiet:
                session.note(f"'{pulled.name}' is up to date")
            session.out.line(short_id(pulled.oid))
            if not quiet:
                tell_dropped(session, f"name '{pulled.name}'", pulled.arrival.dropped)


@command(
    examples=(
        ("lxgit load -i image.tar", "what 'save', Docker, Podman or skopeo have written"),
        ("lxgit load <image.tar", ""),
        ("lxgit load -i image.tar other:v1", "under another name"),
    )
)
def load(
    session: Session,
    name: Annotated[
        str | None,
        argument("NAME[:TAG]", help="what to call it; its own name by default", completes="image"),
    ] = None,
    input_: Annotated[
        str | None,
        option("-i", "--input", help="a file, in place of stdin; a directory", metavar="FILE"),
    ] = None,
    platform: Platform = None,
    force: PullForce = False,
    max_size: MaxSize = None,
    quiet: Annotated[bool, option("-q", "--quiet", help="without progress")] = False,
) -> None:
    """Take images out of an archive or a directory: each entry of a history becomes a commit.

    Archives of 'docker save' and of OCI, compressed or not, and OCI's directories. What is here
    already is not unpacked again.
    """
    from lxgit.cli.progress import QuietProgress
    from lxgit.operations.loading import LoadRequest, load
    from lxgit.spelling import parse_size

    request = LoadRequest(
        _source(input_),
        name,
        platform=platform,
        max_size=None if max_size is None else parse_size(max_size),
        force=force,
    )
    repository = session.repository(create=True)
    with nullcontext(QuietProgress()) if quiet else session.progress() as progress:
        for loaded in load(repository, request, identity=session.identity(), progress=progress):
            progress.phase("")
            session.out.line(f"Loaded image: {printable(loaded.name)}")
            tell_dropped(session, f"name '{loaded.name}'", loaded.arrival.dropped)


def _source(path: str | None) -> Path | IO[bytes]:
    """What `load` reads. UsageError, NoSource."""
    from pathlib import Path

    if path is None or path == "-":
        if os.isatty(0):
            raise UsageError("standard input is a terminal", hint="lxgit load -i FILE")
        return open(0, "rb", buffering=0, closefd=False)
    if not os.path.exists(path):
        raise NoSource(f"there is no '{path}' to load", hint="what 'lxgit save' has written")
    return Path(os.path.abspath(path))


def _whole(source: str, tag: str | None, registry: str | None) -> str:
    """The reference with what was said apart from it, as in 2013. UsageError."""
    if tag is not None:
        if ":" in source.rpartition("/")[2] or "@" in source:
            raise UsageError(f"'{source}' has a tag already", hint="leave out -t")
        source = f"{source}:{tag}"
    if registry is None:
        return source
    from lxgit.operations.registries import names_registry

    if names_registry(source):
        raise UsageError(f"'{source}' names a registry", hint="leave out --registry")
    return f"{registry}/{source}"


def say(line: str) -> None:
    """Say on standard error what is pulled, as Docker did, in lines that stay."""
    with suppress(OSError):
        os.write(2, f"{printable(line)}\n".encode("utf-8", "surrogateescape"))


def silent(_: str) -> None:
    """Say nothing, in its place."""
