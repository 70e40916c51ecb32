"""When a container that has ended is started again: Docker's restart policies."""

from __future__ import annotations

import re

from lxgit.errors import LxgitError
from lxgit.lean import pattern
from lxgit.records import dataclass

_POLICY = pattern(r"(no|always|unless-stopped)|on-failure(?::([0-9]{1,6}))?", re.ASCII)


class InvalidPolicy(LxgitError):
    """No restart policy."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """`name` is `no`, `on-failure`, `always` or `unless-stopped`; `most` is of `on-failure`."""

    name: str = "no"
    most: int | None = None

    @classmethod
    def of(cls, text: str) -> RestartPolicy:
        """As it is typed: `on-failure:3`. Raises InvalidPolicy."""
        match = _POLICY.fullmatch(text)
        if match is None:
            raise InvalidPolicy(
                f"'{text}' is no restart policy", hint="no, on-failure[:N], always, unless-stopped"
            )
        return cls(match[1] or "on-failure", int(match[2]) if match[2] else None)

    @property
    def keeps(self) -> bool:
        """Whether it ever starts anything again."""
        return self.name != "no"

    def wants(self, *, exit_code: int, stopped: bool, restarts: int) -> bool:
        """Whether a container that has ended so is started again, after so many times.

        `stopped`: a user has ended it.
        """
        if stopped or not self.keeps:
            return False
        if self.name == "on-failure":
            return exit_code != 0 and (self.most is None or restarts < self.most)
        return True

    def wants_at_boot(self, *, stopped: bool) -> bool:
        """Whether it is started when the host is; `stopped` as with `wants`."""
        return self.name == "always" or (self.name == "unless-stopped" and not stopped)


NEVER = RestartPolicy()

_FIRST, _LONGEST = 0.1, 60.0  # seconds
_SETTLED = 10.0  # seconds of life after which it is taken to work


class Backoff:
    """How long to wait before the next start: doubled each time, until one has lasted."""

    def __init__(self) -> None:
        self._next = _FIRST

    def after(self, lasted: float) -> float:
        """Seconds to wait, after a life of so many."""
        wait = _FIRST if lasted >= _SETTLED else self._next
        self._next = min(2 * wait, _LONGEST)
        return wait
