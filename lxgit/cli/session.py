"""One command line's surroundings: the store, where the answer goes, who asks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lxgit.cli import environment
from lxgit.cli.output import Output

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lxgit.cli.pager import Pager
    from lxgit.progress import Progress


class Session:
    """Made once a command line; a command gets it as its first argument."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.store_option: str | None = None
        self._pager: Pager | None = None

    @property
    def store(self) -> Path:
        """The store's directory, which need not exist."""
        return Path(self.store_option) if self.store_option else environment.default_store()

    @property
    def colour(self) -> bool:
        """Whether the answer may have colours; ask before `page`."""
        return self.paged or environment.wants_colour(self.out.fd)

    @property
    def paged(self) -> bool:
        return self._pager is not None

    def page(self) -> None:
        """Send the answer through the user's pager when it goes to a terminal."""
        if os.isatty(self.out.fd) and (command := environment.pager()):
            from lxgit.cli.pager import Pager

            self._pager = Pager(command)
            self.out = Output(self._pager.fd)

    def progress(self) -> AbstractContextManager[Progress]:
        """A listener that shows progress on a terminal, and warnings anywhere."""
        from lxgit.cli.progress import show_progress

        return show_progress()

    def close(self) -> None:
        """Hand over the answer; raises OutputFailed, BrokenPipeError."""
        try:
            self.out.flush()
        finally:
            if self._pager is not None:
                self._pager.close()
