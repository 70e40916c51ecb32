"""When Ctrl-C may interrupt: not while something has begun that nobody knows of yet.

SIGINT is blocked meanwhile (pthread_sigmask(3)), so one that comes waits, and is heard as soon as
somebody can do something about it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is this and 1 ms more

from lxgit.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERRUPT = (_signal.SIGINT,)


def hold_back() -> None:
    """Keep an interrupt waiting until `let_through`. KeyboardInterrupt for one just before."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _INTERRUPT)


def let_through() -> None:
    """Hear interrupts again. KeyboardInterrupt for one that waited, if nobody catches those."""
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _INTERRUPT)


def forget() -> None:
    """Drop an interrupt that waits: it came too late."""
    _signal.sigtimedwait(_INTERRUPT, 0)


@contextmanager
def heard() -> Iterator[None]:
    """Let interrupts through for as long as this lasts, and no moment longer."""
    try:
        let_through()
        yield
    finally:
        hold_back()
