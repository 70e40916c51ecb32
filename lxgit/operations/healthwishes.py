"""Health checks: what the command line and the image say of them."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.lean import NANOSECONDS
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.runtime.health import HealthCheck

_TIMES = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}


_LEAST = 0.001  # seconds, as in Docker
_LEAST_OF_IMAGES = {"interval": 1.0, "timeout": _LEAST, "start_period": 0.0}
"""Checks are the host's work too, which nobody has asked an image to give it."""


class InvalidHealthCheck(LxgitError):
    """A health check without a command, or with a time that is none."""


class WantedHealth(NamedTuple):
    """What was said; None is as the image has it. Times are in seconds."""

    command: str | None = None  # for a shell
    interval: float | None = None
    timeout: float | None = None
    retries: int | None = None
    start_period: float | None = None
    none: bool = False

    def applied(self, config: ImageConfig) -> HealthCheck | None:
        """The check then; None for none. Raises InvalidHealthCheck."""
        found = self._merged(config.extra.get("Healthcheck") or {})
        if self.none or not found.get("command"):
            if not self.none and any(value is not None for value in self[:-1]):
                raise InvalidHealthCheck("a health check has no command", hint="--health-cmd")
            return None
        from lxgit.runtime.health import HealthCheck

        check = HealthCheck(**found)
        if check.retries < 1:
            raise InvalidHealthCheck("the retries of a health check cannot be less than 1")
        if min(check.interval, check.timeout) < _LEAST:
            raise InvalidHealthCheck("the times of a health check cannot be less than 1ms")
        return check

    def _merged(self, image: dict[str, Any]) -> dict[str, Any]:
        """By the fields of HealthCheck; 0 and nothing in the image is the default."""
        found: dict[str, Any] = {"command": _command(image.get("Test") or [])}
        for name, key in _TIMES.items():
            if image.get(key):
                found[name] = max(image[key] / NANOSECONDS, _LEAST_OF_IMAGES[name])
        if image.get("Retries"):
            found["retries"] = image["Retries"]
        if self.command:
            found["command"] = ("/bin/sh", "-c", self.command)
        said = {"interval": self.interval, "timeout": self.timeout, "retries": self.retries}
        said["start_period"] = self.start_period
        return found | {name: value for name, value in said.items() if value is not None}


def _command(test: list[str]) -> tuple[str, ...]:
    """`Test` of Docker's image configuration: NONE, CMD and words, CMD-SHELL and a line."""
    kind, *words = test or ["NONE"]
    if kind == "CMD-SHELL":
        return ("/bin/sh", "-c", *words)
    return tuple(words) if kind == "CMD" else ()
