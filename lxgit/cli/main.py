"""The way in: global options, the command, and what becomes of its errors."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is this and 1 ms more
import _thread
import gc
import os
import sys

from lxgit import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from sys import UnraisableHookArgs
    from typing import NoReturn

_MANY_OBJECTS = 100_000
"""Between searches for cycles: a command makes 20,000 objects that stay, in its first moments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, without the program's name; return the exit code.

    Without `argv` it is this process's own, which ends with it.
    """
    if argv is None:
        _leave(main(sys.argv[1:]))
    if list(argv) == ["--version"] and _has_told(f"lxgit {__version__}\n".encode()):
        return 0  # scripts ask for it: nothing else is imported, unless nobody can read it
    gc.set_threshold(_MANY_OBJECTS)
    sys.unraisablehook = _not_raised
    handler = _signal.getsignal(_signal.SIGINT)
    if handler is _signal.default_int_handler:  # until there is who catches its exception
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from lxgit.cli.dispatch import run_command_line

    _signal.signal(_signal.SIGINT, handler)
    return run_command_line(argv)


def _has_told(answer: bytes) -> bool:
    try:
        return os.write(1, answer) == len(answer)
    except OSError:
        return False


def _not_raised(dropped: UnraisableHookArgs) -> None:
    """Have an interrupt come once more that came where Python drops all exceptions.

    Such as a destructor, or what tidies up after an import, of which a command begins with many.
    """
    if dropped.exc_type is KeyboardInterrupt:  # not from here, where it would be dropped, too
        _thread.start_new_thread(os.kill, (os.getpid(), _signal.SIGINT))
    else:
        sys.__unraisablehook__(dropped)


def _leave(code: int) -> NoReturn:
    """Exit without taking the interpreter down, which takes 2 ms and leaves nothing else behind."""
    try:
        print(end="", flush=True)  # there may be no standard output
    except OSError:
        code = code or 1
    os._exit(code)
