"""Commands that start containers: run, start."""

from __future__ import annotations

import contextlib
import os

from lxgit.cli.detaching import DetachKeys, SigProxy, exit_code, key_sequence
from lxgit.cli.output import OutputFailed
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.processoptions import check_terminal, terminal_size
from lxgit.cli.report import fault, for_each
from lxgit.cli.runoptions import Wishes
from lxgit.cli.session import Session
from lxgit.errors import LxgitError, UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from lxgit.operations.creating import RunRequest
    from lxgit.operations.values import Streams
    from lxgit.progress import Progress

    T = TypeVar("T")

NOT_RUN = 125
"""Docker's exit code where the command was not even tried; 126 and 127 tell what it was."""


class NotRun(LxgitError):
    """The system's own fault, told with Docker's exit code."""

    exit_code = NOT_RUN


Detach = Annotated[bool, option("-d", "--detach", help="let it run by itself, and print its id")]
Image = Annotated[
    str | None, argument("IMAGE", help="a revision; HEAD by default", completes="image")
]
Program = Annotated[
    tuple[str, ...], argument("COMMAND", help="what to run; the image's Cmd by default")
]


class Fetch(NamedTuple):
    """When an image is fetched, and how."""

    policy: Annotated[
        Literal["missing", "always", "never"],
        option("--pull", help="when IMAGE is fetched from a registry"),
    ] = "missing"
    is_quiet: Annotated[bool, option("-q", "--quiet", help="fetch it without a word")] = False


_STREAMS = ("stdin", "stdout", "stderr")
Attach = Annotated[
    tuple[str, ...],
    option("-a", "--attach", help="this stream alone; all three by default", metavar="STREAM"),
]
Remove = Annotated[bool, option("--rm", help="delete the container at its end")]


@command(
    options_first=True,
    examples=(
        ("lxgit run base /bin/echo hi", "prints hi; the container stays"),
        ("lxgit run --rm base sh -c 'exit 3' || echo $?", "or goes; the exit code is its own"),
        ("lxgit run -it", "a shell on HEAD"),
        ("lxgit run -it --name web2 tuned sh", "a shell on 'tuned'"),
        ("echo piped | lxgit run --rm -i base cat", ""),
        ("lxgit run -d --rm base sleep 1", "by itself; prints its id"),
        ("lxgit run --rm -e LANG -e A=b -w /tmp base env", ""),
        ("lxgit run --rm -m 64m --cpus 0.5 --pids-limit 9 base true", "it gets no more than that"),
        ("lxgit run --rm -p 8000-8010:80 base true", "at the first of these ports that is free"),
        ("lxgit run --rm -v stuff:/data base touch /data/kept", "in a volume, which outlives it"),
        ("lxgit run --rm -v /srv/machine:/mnt:ro base ls /mnt", "a directory of the host"),
    ),
)
def run(
    session: Session,
    wishes: Wishes,
    fetch: Fetch,
    image: Image = None,
    program: Program = (),
    detach: Detach = False,
    remove: Remove = False,
    attached: Attach = (),
    sig_proxy: SigProxy = True,
    detach_keys: DetachKeys = None,
) -> int:
    """Start a container of an image, and exit with its command's code.

    The container stays, with what it changed, until 'rm'. It can be gone back into ('start'),
    looked at ('status', 'diff') and made a commit of ('commit'). An IMAGE that is not here is
    pulled, unless its name is nearly one that is here.
    """
    from lxgit.operations.launching import run

    if not detach:
        check_terminal(interactive=wishes.how.interactive, tty=wishes.how.tty)
    elif attached:
        raise UsageError("-d leaves it alone, and -a stays with it", hint="leave one out")
    streams = _streams(detach_keys, attached)._replace(keeps_signals=not sig_proxy)
    with told_as_docker_does(image), session.progress() as progress:
        wanted = wishes.request(image, program, remove=remove)

        def begin(request: RunRequest) -> int | None:
            if detach:
                return _left_alone(session, request, streams, progress)
            repository, who = session.repository(), session.identity()
            return run(repository, request, streams, identity=who, progress=progress)

        code = with_image(session, wanted, fetch, progress, begin)
    return exit_code(session, code)


def _left_alone(session: Session, request: RunRequest, streams: Streams, progress: Progress) -> int:
    """Run a container by itself, and tell its id before Ctrl-C can be heard again."""
    from lxgit.cli.tables import short_id
    from lxgit.operations.launching import run_detached

    repository, who = session.repository(), session.identity()
    with run_detached(repository, request, streams, identity=who, progress=progress) as made:
        progress.phase("")
        session.out.line(short_id(made))
        session.out.flush()
    return 0


def with_image(
    session: Session,
    request: RunRequest,
    fetch: Fetch,
    progress: Progress,
    act: Callable[[RunRequest], T],
) -> T:
    """Do what a request asks for, once its image is here; where it is, this costs nothing."""
    why = None
    if fetch.policy != "always":
        try:
            return act(request)
        except LxgitError as error:
            why = error
    from lxgit.cli.absent import request_of_pulled

    return act(request_of_pulled(session, request, fetch, why, progress))


def _streams(detach_keys: str | None, attached: tuple[str, ...] = ()) -> Streams:
    """This command's own, or those of them that `-a` names. UsageError."""
    from lxgit.operations.values import Streams

    found = [0, 1, 2]
    if attached:
        names = [name.lower() for name in attached]
        if other := next((name for name in names if name not in _STREAMS), None):
            raise UsageError(f"-a knows no stream '{other}'", hint=", ".join(_STREAMS))
        nothing = os.open(os.devnull, os.O_RDWR)
        found = [fd if _STREAMS[fd] in names else nothing for fd in found]
    stdin, stdout, stderr = found
    return Streams(stdin, stdout, stderr, terminal_size(), key_sequence(detach_keys))


@contextlib.contextmanager
def told_as_docker_does(image: str | None) -> Iterator[None]:
    """Faults of ours are 125, so that no one takes them for the command's own.

    A line that was put together wrongly is 2 here as everywhere: no command was run then, and none
    would be if it were typed again.
    """
    from lxgit.operations.lookup import IsContainer

    try:
        yield
    except OutputFailed as error:
        error.exit_code = NOT_RUN
        raise
    except LxgitError as error:
        if isinstance(error, IsContainer):
            error.hint = f"'lxgit start -ai {image}' goes back into it"
        if error.exit_code == LxgitError.exit_code:
            error.exit_code = NOT_RUN
        raise
    except OSError as error:
        message, hint, _ = fault(error)
        raise NotRun(message, hint=hint) from error


@command(
    examples=(
        ("lxgit start -ai web", "go on in it, as it was started"),
        ("lxgit start web", "let it run by itself; or several"),
    )
)
def start(
    session: Session,
    containers: Annotated[
        tuple[str, ...], argument("CONTAINER", help="a stopped one", completes="container")
    ],
    attach: Annotated[
        bool, option("-a", "--attach", help="stay until it ends, for its output and exit code")
    ] = False,
    interactive: Annotated[
        bool, option("-i", "--interactive", help="the same, and pass standard input on")
    ] = False,
    detach_keys: DetachKeys = None,
) -> int:
    """Run a stopped container's command again, on what it has changed."""
    from lxgit.operations.launching import start, start_detached

    repository = session.repository()
    if attach or interactive:
        if len(containers) > 1:
            raise UsageError("-a and -i are for one container", hint="start the others first")
        with session.progress() as progress:
            code = start(
                repository,
                containers[0],
                _streams(detach_keys),
                interactive=interactive,
                progress=progress,
            )
            return exit_code(session, code)

    def step(name: str) -> None:
        with session.progress() as progress:
            start_detached(repository, name, progress=progress)

    return for_each(session, containers, step)
