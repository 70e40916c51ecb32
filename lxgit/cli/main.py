"""The way in: global options, the command, and what becomes of its errors."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from lxgit import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

_MANY_OBJECTS = 100_000
"""Between searches for cycles: a command makes 20,000 objects that stay, in its first moments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, without the program's name; return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if list(words) == ["--version"]:  # scripts ask for it: nothing else is imported
        print(f"lxgit {__version__}")
        return 0
    gc.set_threshold(_MANY_OBJECTS)
    from lxgit.cli.dispatch import run_command_line

    code = run_command_line(words)
    gc.freeze()  # the process ends: looking for cycles before that takes 3 ms
    return code
