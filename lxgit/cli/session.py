"""One command line's surroundings: the store, where the answer goes, who asks."""

from __future__ import annotations

import os

from lxgit.cli import environment
from lxgit.cli.environment import ROOT_STORE
from lxgit.cli.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lxgit.cli.pager import Pager
    from lxgit.operations.store import Repository
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress


_AS_ROOT = "sudo lxgit …"


def _tell_wait(line: str) -> None:
    from lxgit.cli.report import tell

    tell(line)


class Session:
    """Made once a command line; a command gets it as its first argument."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self._answer = out.fd  # where it goes in the end
        self.store_option: str | None = None
        self._pager: Pager | None = None
        self._repository: Repository | None = None

    @property
    def store(self) -> str:
        """The store's directory, absolute; it need not exist."""
        named = self.store_option or environment.variable("LXGIT_STORE")
        return os.path.abspath(named) if named else environment.default_store()

    def repository(self, *, create: bool = False) -> Repository:
        """The store, opened; with `create`, made when there is none. NoStore, NotAStore."""
        from lxgit.operations.store import NoStore, StoreDenied, open_store

        if self._repository is None:
            try:
                self._repository = open_store(self.store, create=create, waiting=_tell_wait)
            except NoStore as error:
                error.hint = self.where_a_store_is() or error.hint
                raise
            except PermissionError as error:
                raise StoreDenied(
                    f"the store at '{self.store}' is not yours",
                    hint=f"{_AS_ROOT}, if it is root's; or another --store",
                ) from error
        return self._repository

    def repository_to_list(self) -> Repository | None:
        """The store, opened; None when there is none, and so nothing in it to list.

        Whoever may have meant root's store is told of it.
        """
        from lxgit.operations.store import NoStore

        try:
            return self.repository()
        except NoStore as error:
            if self.where_a_store_is():
                self.note(error.message, hint=error.hint)
            return None

    def identity(self, *, author: str | None = None) -> Identity:
        """Who commits, by environment, store and system; `author` is `--author`'s."""
        from lxgit.cli.identity import identity

        return identity(self.repository().config, author=author)

    def where_a_store_is(self) -> str | None:
        """Of an ordinary user who has no store and named none: root's, if there is one."""
        if self.store == environment.default_store() != ROOT_STORE and os.path.exists(ROOT_STORE):
            return f"root has a store in {ROOT_STORE}: {_AS_ROOT}"
        return None

    @property
    def colour(self) -> bool:
        """Whether the answer may have colours, a pager in between or not."""
        return environment.wants_colour(self._answer)

    @property
    def paged(self) -> bool:
        return self._pager is not None

    def page(self) -> None:
        """Send the answer through the user's pager when it goes to a terminal."""
        if not self.paged and os.isatty(self.out.fd) and (command := environment.pager()):
            from lxgit.cli.pager import Pager

            self._pager = Pager(command)
            self.out = Output(self._pager.fd)

    def progress(self) -> AbstractContextManager[Progress]:
        """A listener that shows progress on a terminal, and warnings anywhere."""
        from lxgit.cli.progress import show_progress

        return show_progress()

    def note(self, message: str, *, hint: str | None = None) -> None:
        """Tell something beside the answer, once that has been handed over."""
        from lxgit.cli.report import tell

        self.out.flush()
        tell(message, hint=hint)

    def close(self) -> None:
        """Hand over the answer; raises OutputFailed, ReaderGone."""
        try:
            self.out.flush()
        finally:
            if self._pager is not None:
                self._pager.close()
