"""Commands about registries: login, logout, search."""

from __future__ import annotations

import os

from lxgit.cli.options import TlsVerify, check_quiet, excludes, format_option
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.operations.searching import Found

_MOST = 1 << 16  # bytes of a password; tokens are long

_MOST_FOUND = 100
_DESCRIPTION = 45  # letters, as Docker shows them
_HEAD = {
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "StarCount": "STARS",
    "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
}

Where = Annotated[
    str | None, argument("REGISTRY", help="HOST[:PORT]; Docker Hub where there is none")
]


@command(
    examples=(
        ("lxgit login -u ada --password-stdin localhost:5000 <password", "from a file"),
        ("echo secret | lxgit login -u ada --password-stdin localhost:5000", "from a program"),
    )
)
def login(
    session: Session,
    registry: Where = None,
    user: Annotated[
        str | None, option("-u", "--username", help="who you are there", metavar="NAME")
    ] = None,
    password: Annotated[
        str | None,
        option("-p", "--password", help="seen by all on this machine", metavar="TEXT"),
    ] = None,
    from_stdin: Annotated[
        bool, option("--password-stdin", help="read the password from standard input")
    ] = False,
    email: Annotated[
        str | None, option("-e", "--email", help="of 2013; nobody asks for it now", metavar="TEXT")
    ] = None,
    tls_verify: TlsVerify = True,
) -> None:
    """Have a registry know you from now on, in 'pull', 'push' and 'search'.

    Without -u and a password it asks for them; without a REGISTRY it is about Docker Hub. The
    registry is asked whether it takes the two, which are then kept where skopeo, Podman and Buildah
    have theirs (containers-auth.json(5)).
    """
    from lxgit.cli.environment import for_registries
    from lxgit.operations import registries

    if email is not None:
        session.note("no registry wants an address today: -e does nothing")
    if from_stdin:
        excludes("--password-stdin", {"-p": password is not None})
        if user is None:
            raise UsageError("--password-stdin needs a name", hint="-u NAME")
        password = _one_line(_read_stdin())
    user = user or _asked("Username: ", _line)
    if not password:
        from getpass import getpass

        password = _asked("Password: ", getpass)
    registries.login(registry, user, password, for_registries(), tls_verify=tls_verify)
    session.out.line("Login Succeeded")


def _read_stdin() -> bytes:
    """All that comes; UsageError where that is more than a password."""
    data = b""
    while len(data) <= _MOST and (more := os.read(0, _MOST)):
        data += more
    if len(data) > _MOST:
        raise UsageError("standard input has no password: it is too long")
    return data


def _one_line(given: bytes) -> str:
    """A password, as editors and echo(1) leave it: with a newline, which is none of it."""
    text = given.decode("utf-8", "surrogateescape")
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise UsageError("standard input has no password: it is one line")
    return password


def _asked(question: str, ask: Callable[[str], str]) -> str:
    """What a person answers; UsageError where none is there, or nothing is said."""
    if not (os.isatty(0) and os.isatty(2)):
        raise UsageError(
            "there is no terminal to ask on", hint="-u NAME --password-stdin reads the password"
        )
    try:
        answer = ask(question)
    except EOFError:
        answer = ""
    if not answer:
        raise UsageError("nothing was said")
    return answer


def _line(question: str) -> str:
    """A line from the terminal; standard output is for answers of ours."""
    os.write(2, question.encode())
    return os.read(0, _MOST).decode("utf-8", "surrogateescape").strip()


@command(examples=(("lxgit logout localhost:5000", ""),))
def logout(session: Session, registry: Where = None) -> None:
    """Have a registry know you no more: forget the name and the password for it."""
    from lxgit.cli.environment import for_registries
    from lxgit.operations import registries

    host = registries.logout(registry, for_registries())
    session.out.line(f"Removed the credentials for {host}")


@command(
    examples=(
        ("lxgit search localhost:5000/base", "in a registry of your own"),
        ("lxgit search -q localhost:5000/", "all that it has"),
        ("lxgit search --format '{{.Name}} {{.StarCount}}' localhost:5000/base", ""),
    )
)
def search(
    session: Session,
    term: Annotated[str, argument("TERM", help="a word, or HOST[:PORT]/WORD for another registry")],
    limit: Annotated[int, option("--limit", help="so many at most, 1 to 100", metavar="N")] = 25,
    no_trunc: Annotated[bool, option("--no-trunc", help="descriptions in full")] = False,
    quiet: Annotated[bool, option("-q", "--quiet", help="names alone")] = False,
    format_: Annotated[str, format_option("Name")] = "table",
    tls_verify: TlsVerify = True,
) -> None:
    """Find images in a registry: 'lxgit search debian' on Docker Hub, with a host in that one.

    A registry that has no index is asked for all names, of which those with the word are shown.
    """
    from lxgit.cli.environment import for_registries
    from lxgit.cli.formats import write_listing
    from lxgit.cli.report import printable
    from lxgit.operations import searching

    check_quiet(format_, quiet=quiet)
    if not 1 <= limit <= _MOST_FOUND:
        raise UsageError(f"--limit is 1 to {_MOST_FOUND}")
    found = searching.search(term, limit=limit, tls_verify=tls_verify, environment=for_registries())
    if quiet:
        for each in found:
            session.out.line(printable(each.name))
        return
    if format_ == "table":
        session.out.line(f'Found {len(found)} results matching your query ("{printable(term)}")')
    fields = [_fields(each, whole=no_trunc or format_ == "json") for each in found]
    columns = ("Name", "Description")
    write_listing(session.out, format_, fields, head=_HEAD, columns=columns, fields=fields)


def _fields(found: Found, *, whole: bool) -> dict[str, object]:
    """Docker's keys; of a description what fits, on one line."""
    description = " ".join(found.description.split())
    if not whole and len(description) > _DESCRIPTION:
        description = f"{description[: _DESCRIPTION - 3]}..."
    return {
        "Name": found.name,
        "Description": description,
        "StarCount": found.stars,
        "IsOfficial": found.official,
        "IsAutomated": found.automated,
    }
