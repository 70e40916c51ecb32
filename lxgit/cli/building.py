"""Commands that build images: build, insert, builder prune."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from lxgit.cli.options import Message, message_of
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id
from lxgit.errors import LxgitError, UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from lxgit.cli.output import Output
    from lxgit.operations.buildvalues import BuildRequest
    from lxgit.operations.values import Streams

_CHUNK = 1 << 16


class Recipe(NamedTuple):
    """What is built."""

    file: Annotated[
        str | None,
        option("-f", "--file", help="the Dockerfile, or - for stdin", metavar="FILE"),
    ] = None
    names: Annotated[
        tuple[str, ...],
        option("-t", "--tag", help="a name for what comes of it", metavar="NAME[:TAG]"),
    ] = ()
    build_args: Annotated[
        tuple[str, ...],
        option("--build-arg", help="for an ARG; $NAME's value by default", metavar="NAME[=VALUE]"),
    ] = ()
    target: Annotated[
        str | None,
        option("--target", help="the last stage; the file's by default", metavar="STAGE"),
    ] = None
    labels: Annotated[
        tuple[str, ...], option("--label", help="a note to the image", metavar="NAME[=VALUE]")
    ] = ()
    message: Message = ()


class Manner(NamedTuple):
    """How it is built."""

    network: Annotated[
        str | None, option("--network", help="of RUN: bridge, host, none", metavar="NAME")
    ] = None
    add_hosts: Annotated[
        tuple[str, ...],
        option("--add-host", help="a line of /etc/hosts for RUN", metavar="NAME:ADDRESS"),
    ] = ()
    memory: Annotated[
        str | None, option("--memory", help="of RUN, and as much swap", metavar="SIZE")
    ] = None
    shm_size: Annotated[
        str | None, option("--shm-size", help="of RUN's /dev/shm", metavar="SIZE")
    ] = None
    ulimits: Annotated[
        tuple[str, ...],
        option("--ulimit", help="of RUN's processes: getrlimit(2)", metavar="NAME=SOFT[:HARD]"),
    ] = ()
    platform: Annotated[
        str | None,
        option("--platform", help="this machine's, which others are refused", metavar="OS/ARCH"),
    ] = None
    secrets: Annotated[
        tuple[str, ...],
        option("--secret", help="for RUN --mount=type=secret", metavar="id=NAME,src=FILE|env=NAME"),
    ] = ()
    no_cache: Annotated[bool, option("--no-cache", help="do each step anew")] = False
    pull: Annotated[bool, option("--pull", help="ask for newer images of FROM")] = False
    force: Annotated[
        bool, option("--force", help="move the name, whatever its history; the reflog keeps it")
    ] = False
    rm: Annotated[
        bool, option("--rm", "--force-rm", help="leave no container, as without: Docker's habit")
    ] = False
    progress: Annotated[
        Literal["auto", "plain", "tty", "quiet"],
        option("--progress", help="quiet is -q; else each step is told, a line at its begin"),
    ] = "auto"


@command(
    examples=(
        ("lxgit build .", "the Dockerfile of this directory; prints each step and its commit"),
        ("lxgit build -t site:v2 /srv/web", "on a tag; a name alone is a branch"),
        ("lxgit build -t site --build-arg VERSION=2 --target runtime .", ""),
        ("lxgit build - </srv/Dockerfile", "without a context; or with one, as a tar"),
        ("ID=$(lxgit build -q .)", "the id alone"),
        ("lxgit build --secret id=key,src=/srv/key .", "for RUN --mount=type=secret,id=key"),
    )
)
def build(
    session: Session,
    recipe: Recipe,
    manner: Manner,
    where: Annotated[
        str, argument("PATH", help="a directory, - for stdin, or a URL", completes="path")
    ],
    quiet: Annotated[bool, option("-q", "--quiet", help="the id alone")] = False,
    iidfile: Annotated[
        str | None, option("--iidfile", help="write the whole id there", metavar="FILE")
    ] = None,
) -> None:
    """Build an image from a Dockerfile: each instruction becomes a commit.

    RUN is run in a container as 'lxgit run' makes one. A step that was built before, on the same
    parent and with the same files, is found again ('lxgit builder prune' forgets those). Where a
    step fails those before it are kept.
    """
    from lxgit.operations.building import build, opened_context

    quiet = quiet or manner.progress == "quiet"
    request = _request(recipe, manner)
    repository = session.repository(create=True)
    lines = _Lines(session.out, quiet=quiet)
    with (
        session.progress() as progress,
        open(0, "rb", buffering=0, closefd=False) as stdin,
        opened_context(
            repository,
            where,
            file=recipe.file,
            stdin=stdin,
            proxies=request.proxies,
            progress=progress,
        ) as context,
        _streams(quiet=quiet) as streams,
    ):
        made = build(
            repository,
            context,
            request,
            streams,
            lines,
            identity=session.identity(),
            progress=progress,
        )
    if iidfile is not None:
        from lxgit.cli.outputfile import output_file

        with output_file(iidfile, "--iidfile") as file:
            file.write(made.oid.encode())
    lines.ends(made.oid)


class _Lines:
    """Tells of each step as Docker did in 2013."""

    def __init__(self, out: Output, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet

    def begins(self, text: str, parent: str) -> None:
        self._tell(f"{text} ({parent})")

    def pulls(self, line: str) -> None:
        if not self._quiet:
            from lxgit.cli.receiving import say

            say(line)

    def made(self, commit: str, *, cached: bool) -> None:
        if cached:
            self._tell("===> Using cache")
        self._tell(f"===> {commit}")

    def ends(self, oid: str) -> None:
        self._tell("Build successful.")
        self._out.line(oid if self._quiet else f"===> {oid}")

    def _tell(self, line: str) -> None:
        if not self._quiet:
            from lxgit.cli.report import printable

            self._out.line(printable(line, keep="\n\t"))
            self._out.flush()  # what RUN prints comes after it


@contextmanager
def _streams(*, quiet: bool) -> Iterator[Streams]:
    """Where what RUN prints goes; when that is nowhere, to stderr after all if the build fails."""
    from lxgit.operations.values import Streams

    if not quiet:
        yield Streams(None, 1, 2)
        return
    import tempfile

    with tempfile.TemporaryFile(buffering=0) as file:
        try:
            yield Streams(None, file.fileno(), file.fileno())
        except LxgitError:
            _show(file)
            raise


def _show(file: IO[bytes]) -> None:
    file.seek(0)
    with suppress(OSError):  # a closed or full stderr: the build's own fault is what counts
        while chunk := file.read(_CHUNK):
            os.write(2, chunk)


def _request(recipe: Recipe, manner: Manner) -> BuildRequest:
    """The options as plain values. UsageError."""
    from lxgit.cli.environment import for_registries, proxies
    from lxgit.cli.labels import labels_of
    from lxgit.operations.buildvalues import BuildRequest

    return BuildRequest(
        names=recipe.names,
        arguments=dict(_arguments(recipe.build_args)),
        secrets=dict(_secret(text) for text in manner.secrets),
        proxies=proxies(),
        registries=for_registries(),
        target=recipe.target,
        labels=tuple(labels_of(recipe.labels).items()),
        network=manner.network,
        hosts=manner.add_hosts,
        memory=_bytes("--memory", manner.memory),
        shm_size=_bytes("--shm-size", manner.shm_size),
        ulimits=manner.ulimits,
        platform=manner.platform,
        message=message_of(recipe.message),
        use_cache=not manner.no_cache,
        pull=manner.pull,
        force=manner.force,
    )


def _bytes(option: str, text: str | None) -> int | None:
    from lxgit.spelling import parse_memory

    return None if text is None else parse_memory(option, text)


def _arguments(texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """`NAME=VALUE`, or NAME with the variable's value; none where that is not set."""
    from lxgit.cli.environment import variable

    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"'{text}' names no argument", hint="--build-arg NAME=VALUE")
        found = value if equals else variable(name)
        if found is not None:
            yield name, found


def _secret(text: str) -> tuple[str, bytes]:
    """`id=NAME,src=FILE` or `id=NAME,env=NAME`: the id, and the content."""
    from lxgit.cli.environment import variable
    from lxgit.spelling import parse_pairs

    fields = dict(parse_pairs("--secret", text, {"src": "source"}))
    identity = fields.pop("id", "")
    fields.pop("type", None)
    source = fields.pop("source", None)
    name = fields.pop("env", None)
    if not identity or fields or (source and name):
        raise UsageError(
            f"'{text}' is no secret", hint="--secret id=NAME,src=FILE, or id=NAME,env=VARIABLE"
        )
    if source:
        with open(source, "rb") as file:
            return identity, file.read()
    value = variable(name or identity)
    if value is None:
        raise UsageError(f"the variable '{name or identity}' is not set", hint=f"--secret {text}")
    return identity, value.encode("utf-8", "surrogateescape")


@command(
    examples=(
        ("lxgit insert base http://localhost:8000/index.html /srv/index", "on the branch 'base'"),
        ('lxgit insert -m "The page" base:v1 http://localhost:8000/index.html /srv/', ""),
    )
)
def insert(
    session: Session,
    image: Annotated[str, argument("IMAGE", help="the image", completes="image")],
    url: Annotated[str, argument("URL", help="where the file is")],
    path: Annotated[str, argument("PATH", help="what it becomes; in a directory with a / behind")],
    message: Message = (),
) -> None:
    """Put a file from the network into an image, and print the commit's id.

    It is a commit on the branch IMAGE. Where IMAGE is a tag or an id, nothing moves: 'lxgit branch
    NAME ID' gives the commit a name. In a Dockerfile, ADD URL PATH does the same.
    """
    from lxgit.cli.environment import proxies
    from lxgit.operations.inserting import insert

    with session.progress() as progress:
        made = insert(
            session.repository(),
            image,
            url,
            path,
            message=message_of(message),
            proxies=proxies(),
            identity=session.identity(),
            progress=progress,
        )
    session.out.line(short_id(made.oid))


@command(
    examples=(
        ("lxgit builder prune -f", "what no branch, tag or container has come of"),
        ("lxgit builder prune -af", "all of it, caches of RUN --mount=type=cache too"),
    )
)
def prune(
    session: Session,
    everything: Annotated[
        bool, option("-a", "--all", help="all steps, and the caches that RUN has mounted")
    ] = False,
    force: Annotated[bool, option("-f", "--force", help="do not ask")] = False,
) -> None:
    """Forget the steps of builds, which are done anew then.

    Images stay. What the forgotten steps take of the disk is free after 'lxgit gc'.
    """
    from lxgit.cli.asking import confirm
    from lxgit.operations.buildcache import prune_cache

    repository = session.repository()
    if not force:
        what = (
            "all steps of builds, and the caches of RUN" if everything else "loose steps of builds"
        )
        confirm(session, f"this forgets {what}")
    gone = prune_cache(repository, everything=everything)
    mounts = f", and {gone.mounts} caches of RUN" if gone.mounts else ""
    session.out.line(f"Forgot {gone.steps} steps of builds{mounts}.")
