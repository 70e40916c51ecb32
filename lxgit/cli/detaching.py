"""Leaving a container that has a terminal, without ending it."""

from __future__ import annotations

from lxgit.cli.params import Annotated, option
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.cli.session import Session

DetachKeys = Annotated[
    str | None,
    option("--detach-keys", help="what leaves it running; ctrl-p,ctrl-q", metavar="KEYS"),
]

SigProxy = Annotated[
    bool, option("--sig-proxy", help="=false: Ctrl-C ends this command alone, and leaves it")
]

_DEFAULT = b"\x10\x11"  # ctrl-p, ctrl-q


def key_sequence(text: str | None) -> bytes:
    """The bytes of keys as Docker writes them: `ctrl-p,ctrl-q`, `a`, `ctrl-@`; `""` for none."""
    if text is None:
        return _DEFAULT
    return b"".join(_key(name) for name in text.split(",")) if text else b""


def _key(name: str) -> bytes:
    letter = name.removeprefix("ctrl-")
    if len(letter) == 1 and letter.isascii():
        if letter == name:
            return letter.encode()
        code = ord(letter.upper()) - ord("@")
        if 0 <= code < 32:
            return bytes([code])
    raise UsageError(f"'{name}' is no key", hint="--detach-keys ctrl-p,ctrl-q")


def exit_code(session: Session, code: int | None) -> int:
    """What to exit with after a client ended: 0, and a word, when it was left running."""
    if code is not None:
        return code
    session.note("detached: the container goes on")
    return 0
