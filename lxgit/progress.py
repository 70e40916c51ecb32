"""How long-running work tells what it is doing, without knowing who listens."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Progress(Protocol):
    """A listener for one operation: phases that follow each other, and warnings."""

    def phase(self, label: str, total: int | None = None) -> None:
        """Begin a phase; `total` is in the unit that `advance` counts, None when unknown.

        An empty label ends the last one: there is nothing to show.
        """

    def advance(self, count: int = 1) -> None:
        """Say that `count` more units of the phase are done."""

    def warn(self, message: str) -> None:
        """Tell something that the user should know and that is no failure."""


class NullProgress:
    """Hears everything, says nothing."""

    def phase(self, label: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass

    def warn(self, message: str) -> None:
        pass
